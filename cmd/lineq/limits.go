package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

// limitFlags say which limits are kept.
type limitFlags struct {
	LineLimits string `default:"published" placeholder:"off|published|FILE" help:"Limits to keep: none, LINE's own, or those of a YAML file."`
}

// limitsHelp is the part of a command's help about the file.
const limitsHelp = `--line-limits names a YAML file with limits other than those that LINE publishes. Units are s, min and h:

    rates:                              # instead of LINE's, for every channel
      pushMessage: 1000/s
      broadcast: 30/h
    channels:
      shop:
        share: 0.5                      # of every limit: other systems use the other half
        rates: {multicast: 100/s}       # for this channel

A share is of the channel's rates, too. A channel of the file of --config can have share and rates as well; what
--line-limits names comes before them. LINE's own hosts are never sent more than LINE publishes: a rate above that is
refused for them, and so is off.`

// maxLimitsFile is far above what all of LINE's operations need for a thousand channels.
const maxLimitsFile = 1 << 20

// limits reads the limits for these channels, of the file of --line-limits and of that of --config.
func (f limitFlags) limits(a *app, line lineFlags, channels map[string]*lineapi.Client) (limit.Limits, error) {
	reader := limitsReader{capped: line.own()}
	var l limit.Limits
	switch f.LineLimits {
	case "off":
		if reader.capped {
			return l, misuse(errLimitsOff)
		}
		l.Off = true
	case "published":
	default:
		data, err := a.read(f.LineLimits, maxLimitsFile)
		switch {
		case errors.Is(err, errTooLarge):
			return l, limitsError(fmt.Errorf("%s: a file of limits has at most %d bytes", f.LineLimits, maxLimitsFile))
		case err != nil:
			return l, err
		}
		reader.path = fileName(f.LineLimits)
		if l, err = reader.file(data); err != nil {
			return l, err
		}
		for _, name := range slices.Sorted(maps.Keys(l.Channels)) {
			if channels[name] == nil {
				a.note("%s has limits for the channel %s, which has no token here", reader.path, name)
			}
		}
	}
	if a.config == nil {
		return l, nil
	}
	reader.path = a.config.path
	for _, name := range slices.Sorted(maps.Keys(a.config.channels)) {
		c := a.config.channels[name]
		configured, err := reader.channel("channels."+name, c.Share.Node, c.Rates.Node)
		if err != nil {
			return l, err
		}
		if !l.Off && (configured.Share > 0 || len(configured.Rates) > 0) {
			l.Channels = withChannel(l.Channels, name, configured)
		}
	}
	return l, nil
}

// withChannel adds what a channel's entry leaves open.
func withChannel(all map[string]limit.Channel, name string, more limit.Channel) map[string]limit.Channel {
	c := all[name]
	if c.Share == 0 {
		c.Share = more.Share
	}
	rates := map[string]endpoint.Limit{}
	maps.Copy(rates, more.Rates)
	maps.Copy(rates, c.Rates)
	if c.Rates = rates; len(rates) == 0 {
		c.Rates = nil
	}
	if all == nil {
		all = map[string]limit.Channel{}
	}
	all[name] = c
	return all
}

// own tells whether these flags mean LINE's own hosts.
func (f lineFlags) own() bool {
	if f.LineOrigin == "" {
		return true
	}
	for _, origin := range []string{f.LineOrigin, f.LineDataOrigin} {
		if u, err := url.Parse(origin); err == nil {
			host := strings.ToLower(u.Hostname())
			if host == "line.me" || strings.HasSuffix(host, ".line.me") {
				return true
			}
		}
	}
	return false
}

// errLimits is in the chain of every error about what stands in a file of limits.
var errLimits = errors.New("the limits are wrong")

func limitsError(err error) error { return misuse(marked{err, errLimits}) }

var errLimitsOff = errors.New("--line-limits off is not for LINE's own hosts")
