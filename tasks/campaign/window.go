package campaign

// Window is a part of each day, in a time zone. It may reach over midnight: 21:00-02:00. The zero value is the whole day.
type Window struct {
	From int    `json:"from"` // minutes after midnight, 0 to 1439
	To   int    `json:"to"`   // the same; not in the window any more
	Zone string `json:"zone"` // IANA name, such as Asia/Tokyo; empty: UTC
}
