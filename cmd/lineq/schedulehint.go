package main

import (
	"errors"

	"github.com/lineq/lineq/tasks/schedule"
)

// scheduleHint is what to do about an error that only schedules have.
func scheduleHint(err error) string {
	var kind *unknownKindError
	switch {
	case errors.As(err, &kind):
		return kind.hint()
	case errors.Is(err, schedule.ErrCron):
		return "minute, hour, day of month, month, day of week: '0 9 * * MON' is Mondays at nine, '*/30 9-17 * * *' half-hourly by day"
	case errors.Is(err, schedule.ErrZone):
		return "cron's times are those of a zone: --tz Asia/Tokyo"
	case errors.Is(err, schedule.ErrNotFound):
		return "lineq schedule list shows all there are"
	case errors.Is(err, schedule.ErrIDReused):
		return "lineq schedule remove ends the one that is there; lineq schedule show tells of it"
	}
	return ""
}
