package tasks

import "strings"

// Line is a sort of queue. Each channel has push and bulk lines of its own, so that nobody waits behind another channel;
// the other lines are shared by all channels, and a task on them never waits for its permit in the line.
type Line string

const (
	LineUrgent  Line = "urgent"  // replies, loading animations, what was marked urgent
	LinePush    Line = "push"    // single pushes of one channel
	LineBulk    Line = "bulk"    // multicasts of one channel
	LineControl Line = "control" // rich menus, chats, lookups
	LineSlow    Line = "slow"    // endpoints that LINE limits per hour
)

const queuePrefix = "lineq-"

// Queue names the queue of a line; the channel counts only where each channel has its own.
func (l Line) Queue(channel string) string {
	if l.PerChannel() {
		return queuePrefix + string(l) + "-" + channel
	}
	return queuePrefix + string(l)
}

// PerChannel tells whether every channel has a queue of its own on this line.
func (l Line) PerChannel() bool { return l == LinePush || l == LineBulk }

// Lines lists every line, the most urgent first.
func Lines() []Line { return []Line{LineUrgent, LinePush, LineBulk, LineControl, LineSlow} }

// ParseQueue is the reverse of [Line.Queue]. ok is false for a queue that isn't lineq's.
func ParseQueue(queue string) (l Line, channel string, ok bool) {
	name, found := strings.CutPrefix(queue, queuePrefix)
	if !found {
		return "", "", false
	}
	for _, l := range Lines() {
		if !l.PerChannel() && name == string(l) {
			return l, "", true
		}
		if c, found := strings.CutPrefix(name, string(l)+"-"); l.PerChannel() && found && CheckChannel(c) == nil {
			return l, c, true
		}
	}
	return "", "", false
}

// Bell is the Redis channel on which a producer names the queue that it has just put something into, so that an idle
// worker looks at once. A bell that nobody hears costs at most a second.
const Bell = "lineq:bell"
