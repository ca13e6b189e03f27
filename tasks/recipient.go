package tasks

// Recipient is the one user, group or room that a task is about; empty where there are several, or LINE alone knows, as of
// a reply.
func Recipient(t Task) string {
	switch t := t.(type) {
	case Push:
		return t.To
	case LinkRichMenu:
		return t.UserID
	case UnlinkRichMenu:
		return t.UserID
	case LeaveGroup:
		return t.GroupID
	case LeaveRoom:
		return t.RoomID
	case ShowLoading:
		return t.UserID
	case Profile:
		return t.UserID
	case GroupMemberProfile:
		return t.UserID
	case RoomMemberProfile:
		return t.UserID
	case LinkToken:
		return t.UserID
	}
	return ""
}

// Several is to how many users a task goes that names more than one; 0 of all others.
func Several(t Task) int {
	switch t := t.(type) {
	case Multicast:
		return len(t.To)
	case BulkLinkRichMenu:
		return len(t.UserIDs)
	case BulkUnlinkRichMenu:
		return len(t.UserIDs)
	}
	return 0
}
