package tasks

import (
	"cmp"

	"github.com/lineq/lineq/lineapi"
)

// LinkRichMenu shows a rich menu to one user. LINE answers 200 for blocked and unknown users, too.
type LinkRichMenu struct {
	UserID     string `json:"userId"`
	RichMenuID string `json:"richMenuId"`
}

// UnlinkRichMenu takes the rich menu away that one user was shown.
type UnlinkRichMenu struct {
	UserID string `json:"userId"`
}

// BulkLinkRichMenu shows a rich menu to 1 to 500 users. LINE does it within seconds after its answer.
type BulkLinkRichMenu struct {
	UserIDs    []string `json:"userIds"`
	RichMenuID string   `json:"richMenuId"`
}

// BulkUnlinkRichMenu takes their rich menu away from 1 to 500 users. LINE does it within seconds after its answer.
type BulkUnlinkRichMenu struct {
	UserIDs []string `json:"userIds"`
}

// BatchRichMenu moves all users of some rich menus at once. The operations run side by side on the state before them, and
// LINE carries them out after it has accepted: a sent task means that LINE took the order; its progress is asked for with
// the request id. LINE allows 3 an hour.
type BatchRichMenu struct {
	Operations []lineapi.RichMenuOperation `json:"operations"` // 1 to 1,000
}

// PublishRichMenu creates a rich menu and uploads its image; then it points Alias to the menu or makes it the default for
// everyone, where that is asked for. A repeat goes on where the last run stopped. Where the answer to the creation was
// lost, the menu is looked for at LINE and never created a second time.
type PublishRichMenu struct {
	Menu      lineapi.RichMenu `json:"menu"`
	Image     []byte           `json:"image"` // JPEG or PNG, at most 1 MB
	ImageType string           `json:"imageType"`
	Alias     string           `json:"alias,omitempty"`
	Default   bool             `json:"default,omitempty"`
}

// DeleteRichMenu deletes a rich menu. LINE allows 100 an hour.
type DeleteRichMenu struct {
	RichMenuID string `json:"richMenuId"`
}

// SetDefaultRichMenu shows a rich menu to every user who has none of their own.
type SetDefaultRichMenu struct {
	RichMenuID string `json:"richMenuId"`
}

// ClearDefaultRichMenu takes the default rich menu away.
type ClearDefaultRichMenu struct{}

func (LinkRichMenu) Kind() Kind         { return KindLinkRichMenu }
func (UnlinkRichMenu) Kind() Kind       { return KindUnlinkRichMenu }
func (BulkLinkRichMenu) Kind() Kind     { return KindBulkLinkRichMenu }
func (BulkUnlinkRichMenu) Kind() Kind   { return KindBulkUnlinkRichMenu }
func (BatchRichMenu) Kind() Kind        { return KindBatchRichMenu }
func (PublishRichMenu) Kind() Kind      { return KindPublishRichMenu }
func (DeleteRichMenu) Kind() Kind       { return KindDeleteRichMenu }
func (SetDefaultRichMenu) Kind() Kind   { return KindSetDefaultRichMenu }
func (ClearDefaultRichMenu) Kind() Kind { return KindClearDefaultRichMenu }

func (t LinkRichMenu) Check() error {
	return cmp.Or(lineapi.CheckUserID(t.UserID), lineapi.CheckRichMenuID(t.RichMenuID))
}

func (t UnlinkRichMenu) Check() error { return lineapi.CheckUserID(t.UserID) }

func (t BulkLinkRichMenu) Check() error {
	return cmp.Or(lineapi.CheckUserIDs("userIds", t.UserIDs), lineapi.CheckRichMenuID(t.RichMenuID))
}

func (t BulkUnlinkRichMenu) Check() error { return lineapi.CheckUserIDs("userIds", t.UserIDs) }

func (t BatchRichMenu) Check() error { return t.Request("").Check() }

// Request is the call that the task stands for, under the given resume key: a repeat under the same one goes on with the
// users who are left.
func (t BatchRichMenu) Request(resumeRequestKey string) lineapi.RichMenuBatchRequest {
	return lineapi.RichMenuBatchRequest{Operations: t.Operations, ResumeRequestKey: resumeRequestKey}
}

func (t PublishRichMenu) Check() error {
	if err := cmp.Or(t.Menu.Check(), lineapi.CheckRichMenuImage(t.ImageType, t.Image)); err != nil {
		return err
	}
	if t.Alias == "" {
		return nil
	}
	return lineapi.CheckRichMenuAlias(t.Alias)
}

func (t DeleteRichMenu) Check() error     { return lineapi.CheckRichMenuID(t.RichMenuID) }
func (t SetDefaultRichMenu) Check() error { return lineapi.CheckRichMenuID(t.RichMenuID) }
func (ClearDefaultRichMenu) Check() error { return nil }
