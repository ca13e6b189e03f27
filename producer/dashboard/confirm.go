package dashboard

// confirm is what a page shows that asks whether something shall be done, by the template of the same name. Its form is
// sent to the page's own address.
type confirm struct {
	Title string
	Text  []string // paragraphs
	Facts []fact
	Note  *field // a line to type in
	// Button says what is done, and Danger that it can't be taken back.
	Button string
	Danger bool
	Back   string // path below root
}

// fact is a name and what stands beside it.
type fact struct{ Name, Value string }

// field is a line to type in.
type field struct {
	Name, Label, Hint string
	Most              int // characters
}
