package main

import (
	"context"
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// richMenuCommand is lineq richmenu.
type richMenuCommand struct {
	Link         richMenuLink         `cmd:"" help:"Show a rich menu to one user."`
	Unlink       richMenuUnlink       `cmd:"" help:"Take away the rich menu of one user."`
	BulkLink     richMenuBulkLink     `cmd:"" help:"Show a rich menu to up to 500 users."`
	BulkUnlink   richMenuBulkUnlink   `cmd:"" help:"Take away the rich menu of up to 500 users."`
	Batch        richMenuBatch        `cmd:"" help:"Move all users of rich menus to others, or take their menus away."`
	Publish      richMenuPublish      `cmd:"" help:"Create a rich menu and upload its image."`
	Delete       richMenuDelete       `cmd:"" help:"Delete a rich menu."`
	SetDefault   richMenuSetDefault   `cmd:"" help:"Show a rich menu to everyone who has none of their own."`
	ClearDefault richMenuClearDefault `cmd:"" help:"Take away the default rich menu."`
}

func (richMenuCommand) Help() string {
	return `Examples:

    lineq richmenu publish --object menu.json --image menu.png --default --wait
    lineq richmenu link --to U… --menu richmenu-…`
}

// menuFlag names a rich menu.
type menuFlag struct {
	Menu string `required:"" placeholder:"ID" help:"ID of the rich menu."`
}

type richMenuLink struct {
	To string `required:"" placeholder:"ID" help:"User ID."`
	menuFlag
	enqueueFlags
}

func (c richMenuLink) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LinkRichMenu{UserID: c.To, RichMenuID: c.Menu})
}

type richMenuUnlink struct {
	To string `required:"" placeholder:"ID" help:"User ID."`
	enqueueFlags
}

func (c richMenuUnlink) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.UnlinkRichMenu{UserID: c.To})
}

type richMenuBulkLink struct {
	To []string `required:"" placeholder:"ID" help:"User ID; may be repeated up to 500 times."`
	menuFlag
	enqueueFlags
}

func (c richMenuBulkLink) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.BulkLinkRichMenu{UserIDs: c.To, RichMenuID: c.Menu})
}

type richMenuBulkUnlink struct {
	To []string `required:"" placeholder:"ID" help:"User ID; may be repeated up to 500 times."`
	enqueueFlags
}

func (c richMenuBulkUnlink) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.BulkUnlinkRichMenu{UserIDs: c.To})
}

type richMenuBatch struct {
	Operations string `required:"" placeholder:"FILE" help:"JSON array of up to 1000 of LINE's operations; - reads stdin."`
	enqueueFlags
}

func (richMenuBatch) Help() string {
	return `Examples:

    lineq richmenu batch --operations moves.json
    echo '[{"type":"link","from":"richmenu-…","to":"richmenu-…"},{"type":"unlink","from":"richmenu-…"}]' |
      lineq richmenu batch --operations - --id spring-menus
    echo '[{"type":"unlinkAll"}]' | lineq richmenu batch --operations -

The operations run side by side: each finds the users who had its menu before. LINE takes 3 batches an hour, so that one
goes out every 20 minutes. Sent means that LINE has accepted it; LINE moves the users afterwards. A repeat after a timeout
goes out under the same key, and moves nobody a second time.`
}

func (c richMenuBatch) Run(ctx context.Context, a *app) error {
	data, err := a.read(c.Operations, lineapi.MaxRequestBytes)
	if err != nil {
		return err
	}
	var t tasks.BatchRichMenu
	t.Operations, err = lineapi.ParseRichMenuOperations(data)
	if err == nil {
		err = t.Check()
	}
	if err != nil {
		return misuse(fmt.Errorf("%s: %w", fileName(c.Operations), err))
	}
	return c.enqueue(ctx, a, nil, t)
}

type richMenuPublish struct {
	Object  string `required:"" placeholder:"FILE" help:"JSON object with LINE's rich menu; - reads stdin."`
	Image   string `required:"" placeholder:"FILE" help:"Its image: JPEG or PNG of at most 1 MB."`
	Alias   string `help:"Point this rich menu alias to it."`
	Default bool   `help:"Make it the default for everyone."`
	enqueueFlags
}

func (richMenuPublish) Help() string {
	return `Examples:

    lineq richmenu publish --object menu.json --image menu.png --wait --json | jq -r .data.richMenuId
    lineq richmenu publish --object menu.json --image menu.png --alias main --default

The ID of the new rich menu is in the result's data. A run that was interrupted goes on where it stopped; the menu is
never created twice.`
}

func (c richMenuPublish) Run(ctx context.Context, a *app) error {
	object, err := a.read(c.Object, lineapi.MaxRequestBytes)
	if err != nil {
		return err
	}
	menu, err := lineapi.ParseRichMenu(object)
	if err == nil {
		err = menu.Check()
	}
	if err != nil {
		return misuse(fmt.Errorf("%s: %w", fileName(c.Object), err))
	}
	image, err := a.read(c.Image, lineapi.MaxRequestBytes)
	if err != nil {
		return err
	}
	t := tasks.PublishRichMenu{
		Menu: menu, Image: image, ImageType: lineapi.ImageType(image), Alias: c.Alias, Default: c.Default,
	}
	if err := lineapi.CheckRichMenuImage(t.ImageType, image); err != nil {
		return misuse(fmt.Errorf("%s: %w", fileName(c.Image), err))
	}
	return c.enqueue(ctx, a, nil, t)
}

type richMenuDelete struct {
	menuFlag
	enqueueFlags
}

func (c richMenuDelete) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.DeleteRichMenu{RichMenuID: c.Menu})
}

type richMenuSetDefault struct {
	menuFlag
	enqueueFlags
}

func (c richMenuSetDefault) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.SetDefaultRichMenu{RichMenuID: c.Menu})
}

type richMenuClearDefault struct {
	enqueueFlags
}

func (c richMenuClearDefault) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.ClearDefaultRichMenu{})
}
