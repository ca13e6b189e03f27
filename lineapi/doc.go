// Package lineapi is LINE's Messaging API over net/http, for those who send: every call of an outbound sender, one typed
// error, and checks that refuse what LINE would refuse before it is sent.
//
// Start with [New], [Client.Push] and [Text]. A request is a struct, a message is one JSON object:
//
//	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(token)})
//	receipt, err := client.Push(ctx, lineapi.PushRequest{To: userID, Messages: []lineapi.Message{lineapi.Text("Hello")}})
//
// A message is kept as its JSON and goes to LINE byte for byte. Builders such as [Text] make the usual types; [MessageOf]
// takes everything else, the models of LINE's own SDK included.
//
// # What it doesn't do
//
// A [Client] never retries and never logs: who queues decides when to try again. It follows no redirect. Only a GET may be
// repeated by net/http itself, on a connection that LINE closed meanwhile.
//
// # Errors
//
// Every error is an [*Error] with a [Reason]. A 2xx is a success, whatever its body; so is a 409 with the id of the
// request that LINE accepted before (Receipt.Replayed). Calls that only read fail on an answer that they can't decode.
// Error.Unsent tells whether it is certain that nothing reached LINE; a send that failed otherwise may have gone through,
// and is repeated safely only with the same RetryKey and the same body, within 24 hours
// (https://developers.line.biz/en/docs/messaging-api/retrying-api-request/).
//
// # From messaging-api-line
//
// The npm package messaging-api-line of 2018 has 59 methods. Here three send calls take any message:
//
//	 1  reply                          Reply(ctx, ReplyRequest{ReplyToken: …, Messages: …})
//	 2  replyText                      Reply with Text(text)
//	 3  replyImage                     Reply with Image(originalURL, previewURL)
//	 4  replyVideo                     Reply with Video(originalURL, previewURL)
//	 5  replyAudio                     Reply with Audio(originalURL, duration)
//	 6  replyLocation                  Reply with Location(title, address, latitude, longitude)
//	 7  replySticker                   Reply with Sticker(packageID, stickerID)
//	 8  replyImagemap                  Reply with Imagemap(altText, ImagemapOptions{…})
//	 9  replyTemplate                  Reply with Template(altText, template)
//	10  replyButtonTemplate            Reply with Buttons(altText, ButtonsOptions{…})
//	11  replyConfirmTemplate           Reply with Confirm(altText, text, left, right)
//	12  replyCarouselTemplate          Reply with Carousel(altText, CarouselOptions{…})
//	13  replyImageCarouselTemplate     Reply with ImageCarousel(altText, columns...)
//	14  push                           Push(ctx, PushRequest{To: …, Messages: …})
//	15  pushText                       Push with Text(text)
//	16  pushImage                      Push with Image(originalURL, previewURL)
//	17  pushVideo                      Push with Video(originalURL, previewURL)
//	18  pushAudio                      Push with Audio(originalURL, duration)
//	19  pushLocation                   Push with Location(title, address, latitude, longitude)
//	20  pushSticker                    Push with Sticker(packageID, stickerID)
//	21  pushImagemap                   Push with Imagemap(altText, ImagemapOptions{…})
//	22  pushTemplate                   Push with Template(altText, template)
//	23  pushButtonTemplate             Push with Buttons(altText, ButtonsOptions{…})
//	24  pushConfirmTemplate            Push with Confirm(altText, text, left, right)
//	25  pushCarouselTemplate           Push with Carousel(altText, CarouselOptions{…})
//	26  pushImageCarouselTemplate      Push with ImageCarousel(altText, columns...)
//	27  multicast                      Multicast(ctx, MulticastRequest{To: …, Messages: …})
//	28  multicastText                  Multicast with Text(text)
//	29  multicastImage                 Multicast with Image(originalURL, previewURL)
//	30  multicastVideo                 Multicast with Video(originalURL, previewURL)
//	31  multicastAudio                 Multicast with Audio(originalURL, duration)
//	32  multicastLocation              Multicast with Location(title, address, latitude, longitude)
//	33  multicastSticker               Multicast with Sticker(packageID, stickerID)
//	34  multicastImagemap              Multicast with Imagemap(altText, ImagemapOptions{…})
//	35  multicastTemplate              Multicast with Template(altText, template)
//	36  multicastButtonTemplate        Multicast with Buttons(altText, ButtonsOptions{…})
//	37  multicastConfirmTemplate       Multicast with Confirm(altText, text, left, right)
//	38  multicastCarouselTemplate      Multicast with Carousel(altText, CarouselOptions{…})
//	39  multicastImageCarouselTemplate Multicast with ImageCarousel(altText, columns...)
//	40  retrieveMessageContent         MessageContent(ctx, messageID)
//	41  getUserProfile                 Profile(ctx, userID)
//	42  getGroupMemberProfile          GroupMemberProfile(ctx, groupID, userID)
//	43  getRoomMemberProfile           RoomMemberProfile(ctx, roomID, userID)
//	44  getGroupMemberIds              GroupMembersPage(ctx, groupID, start)
//	45  getAllGroupMemberIds           GroupMembers(ctx, groupID)
//	46  getRoomMemberIds               RoomMembersPage(ctx, roomID, start)
//	47  getAllRoomMemberIds            RoomMembers(ctx, roomID)
//	48  leaveGroup                     LeaveGroup(ctx, groupID)
//	49  leaveRoom                      LeaveRoom(ctx, roomID)
//	50  getRichMenuList                RichMenus(ctx)
//	51  getRichMenu                    RichMenu(ctx, richMenuID)
//	52  createRichMenu                 CreateRichMenu(ctx, menu)
//	53  deleteRichMenu                 DeleteRichMenu(ctx, richMenuID)
//	54  getLinkedRichMenu              LinkedRichMenu(ctx, userID)
//	55  linkRichMenu                   LinkRichMenu(ctx, userID, richMenuID)
//	56  unlinkRichMenu                 UnlinkRichMenu(ctx, userID)
//	57  downloadRichMenuImage          DownloadRichMenuImage(ctx, richMenuID)
//	58  uploadRichMenuImage            UploadRichMenuImage(ctx, richMenuID, contentType, image, size)
//	59  issueLinkToken                 IssueLinkToken(ctx, userID)
//
// Its constructor LineClient.connect is [New]; the channel secret goes to [NewStatelessToken] and [VerifySignature].
package lineapi
