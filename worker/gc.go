package worker

// GCPercent suits a process that does nothing but run a [Worker], as an argument of [runtime/debug.SetGCPercent]. A worker
// holds little and has many goroutines, whose stacks every collection reads: at Go's own 100 that is about a tenth of its
// processor time. It costs some ten MB.
const GCPercent = 400
