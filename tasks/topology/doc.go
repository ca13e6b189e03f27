// Package topology knows how Redis is run: alone, with replicas and sentinels, or as a Cluster; and what of that puts
// messages at risk.
package topology
