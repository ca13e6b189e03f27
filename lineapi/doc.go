// Package lineapi is LINE's Messaging API over net/http.
package lineapi
