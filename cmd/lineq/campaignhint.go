package main

import (
	"errors"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/template"
)

// campaignHint is what to do about an error that only campaigns have.
func campaignHint(err error) string {
	var unfinished *unfinishedError
	var unchecked *uncheckedError
	var nobody *noRecipientError
	var nothing *nothingToRetryError
	var wrong *template.Error
	var bad *badRowError
	var unreadable *audienceError
	switch {
	case errors.As(err, &unfinished):
		return unfinished.hint()
	case errors.As(err, &unchecked):
		return "lineq channel list tells whether a worker runs; lineq campaign show " + unchecked.id + " has the forecast when one has"
	case errors.As(err, &nobody):
		return "lineq campaign export " + nobody.id + " lists all; rows that could not be used are not among them"
	case errors.As(err, &nothing):
		return nothing.hint()
	case errors.As(err, &unreadable):
		return "a CSV begins with a header such as to,name; NDJSON has an object with a field to on each line"
	case errors.Is(err, producer.ErrNobody):
		return "the rows and what is wrong with them: --rejected FILE takes them all"
	case errors.As(err, &bad):
		return "correct the row, or leave --strict out: then rows that can't be used are left out"
	case errors.As(err, &wrong):
		return "{{name}} is the value of the column name, {{name|you}} is you where it is empty, {{{{ is a literal {{"
	case errors.Is(err, campaign.ErrNotFound):
		return "lineq campaign list shows those that are kept: for 90 days"
	case errors.Is(err, campaign.ErrExpired):
		return "what became of each recipient is kept for 7 days after a campaign's end, the counts for 90"
	case errors.Is(err, campaign.ErrIDReused):
		return "give another message or channel a new --id; lineq campaign show tells of the first"
	case errors.Is(err, campaign.ErrIntake):
		return "wait until that is done; the draft of an intake that was killed can be replaced after 30 seconds"
	case errors.Is(err, campaign.ErrLost):
		return "nothing of it is sent: send it again, with an --id"
	case errors.Is(err, campaign.ErrState):
		return "lineq campaign show tells how it stands; what has ended stays so, and lineq campaign retry makes a new one"
	case errors.Is(err, errShare):
		return "5% and 0.05 mean the same"
	}
	return ""
}
