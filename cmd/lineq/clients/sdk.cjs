// Calls what LINE's own SDK has, but for what the simulated LINE hasn't, and prints a line for each call.
const { messagingApi, channelAccessToken } = require('@line/bot-sdk');
const f = JSON.parse(process.env.FIXTURES);

const api = new messagingApi.MessagingApiClient({ channelAccessToken: f.token, baseURL: f.origin });
const blob = new messagingApi.MessagingApiBlobClient({ channelAccessToken: f.token, baseURL: f.origin });
const oauth = new channelAccessToken.ChannelAccessTokenClient({ baseURL: f.origin });

async function call(client, method, ...args) {
  try {
    const { httpResponse, body } = await client[method + 'WithHttpInfo'](...args);
    const result = body && body.read ? `${(await read(body)).length} bytes` : body;
    console.log(JSON.stringify({ method, status: httpResponse.status, result }));
    return { body, requestId: httpResponse.headers.get('x-line-request-id') };
  } catch (error) {
    console.log(JSON.stringify({ method, status: error.status, result: error.body && JSON.parse(error.body), error: error.name }));
    return { body: {} };
  }
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

// What was queued takes effect some milliseconds later.
async function eventually(client, method, ...args) {
  for (let i = 0; i < 200; i++) {
    try { await client[method](...args); break; } catch { await new Promise(done => setTimeout(done, 25)); }
  }
  return call(client, method, ...args);
}

// gone waits until a call that had an answer has none.
async function gone(client, method, ...args) {
  for (let i = 0; i < 200; i++) {
    try { await client[method](...args); await new Promise(done => setTimeout(done, 25)); } catch { return; }
  }
}

const png = new Blob([Buffer.from(process.env.IMAGE, 'base64')], { type: 'image/png' });
const menu = {
  size: { width: 2500, height: 1686 }, selected: false, name: 'Nice menu', chatBarText: 'Tap here',
  areas: [{ bounds: { x: 0, y: 0, width: 2500, height: 1686 }, action: { type: 'postback', data: 'action=buy' } }],
};
const messages = [{ type: 'text', text: 'from the SDK' }];
const key = '5f0c3f4e-9b1d-4c53-8d6a-0d0a6a3c7c11';

(async () => {
  await call(api, 'replyMessage', { replyToken: f.replyTokens[0], messages });
  await call(api, 'pushMessage', { to: f.user, messages });
  await call(api, 'pushMessage', { to: f.user, messages: [{ type: 'text', text: 'once' }] }, key);
  await call(api, 'pushMessage', { to: f.user, messages: [{ type: 'text', text: 'once' }] }, key);
  await call(api, 'pushMessage', { to: 'nobody', messages });
  await call(api, 'pushMessage', { to: f.user, messages: [] });
  await call(api, 'pushMessage', { to: f.user, messages: [{ type: 'text', text: '' }] });
  await call(api, 'multicast', { to: f.others, messages });
  await call(api, 'broadcast', { messages });
  const sent = await call(api, 'narrowcast', { messages, limit: { max: 100 } });
  await call(api, 'getNarrowcastProgress', sent.requestId);
  for (const kind of ['Reply', 'Push', 'Multicast', 'Narrowcast', 'Broadcast']) await call(api, 'validate' + kind, { messages });
  await call(api, 'getMessageQuota');
  await call(api, 'getMessageQuotaConsumption');
  for (const kind of ['Reply', 'Push', 'Multicast', 'Broadcast']) await call(api, `getNumberOfSent${kind}Messages`, '20260101');
  await call(api, 'getAggregationUnitUsage');
  await call(api, 'getAggregationUnitNameList');
  await call(blob, 'getMessageContent', f.content);
  await call(blob, 'getMessageContentPreview', f.content);
  await call(blob, 'getMessageContentTranscodingByMessageId', f.content);
  await call(api, 'getProfile', f.user);
  await call(api, 'getProfile', 'nobody');
  await call(api, 'getFollowers');
  await call(api, 'getBotInfo');
  await call(api, 'getGroupSummary', f.group);
  await call(api, 'getGroupMemberCount', f.group);
  await call(api, 'getGroupMembersIds', f.group);
  await call(api, 'getGroupMemberProfile', f.group, f.user);
  await call(api, 'getRoomMemberCount', f.room);
  await call(api, 'getRoomMembersIds', f.room);
  await call(api, 'getRoomMemberProfile', f.room, f.user);
  await call(api, 'issueLinkToken', f.user);
  await call(api, 'showLoadingAnimation', { chatId: f.user, loadingSeconds: 5 });
  await call(api, 'markMessagesAsRead', { chat: { userId: f.user } });
  await call(api, 'markMessagesAsReadByToken', { markAsReadToken: 'token' });

  await call(api, 'validateRichMenuObject', menu);
  const { body: { richMenuId } } = await call(api, 'createRichMenu', menu);
  await call(api, 'getRichMenuList');
  await call(api, 'getRichMenu', richMenuId);
  await call(blob, 'setRichMenuImage', richMenuId, png);
  await call(blob, 'getRichMenuImage', richMenuId);
  await call(api, 'linkRichMenuIdToUser', f.user, richMenuId);
  await eventually(api, 'getRichMenuIdOfUser', f.user);
  await call(api, 'unlinkRichMenuIdFromUser', f.user);
  await gone(api, 'getRichMenuIdOfUser', f.user);
  await call(api, 'linkRichMenuIdToUsers', { userIds: f.others, richMenuId });
  await eventually(api, 'getRichMenuIdOfUser', f.others[0]);
  await call(api, 'unlinkRichMenuIdFromUsers', { userIds: f.others });
  await call(api, 'setDefaultRichMenu', richMenuId);
  await eventually(api, 'getDefaultRichMenuId');
  await call(api, 'cancelDefaultRichMenu');
  await call(api, 'createRichMenuAlias', { richMenuAliasId: 'front', richMenuId });
  await call(api, 'updateRichMenuAlias', 'front', { richMenuId });
  await call(api, 'getRichMenuAlias', 'front');
  await call(api, 'getRichMenuAliasList');
  await call(api, 'deleteRichMenuAlias', 'front');
  const batch = { operations: [{ type: 'unlink', from: richMenuId }] };
  await call(api, 'validateRichMenuBatchRequest', batch);
  const moved = await call(api, 'richMenuBatch', batch);
  await call(api, 'getRichMenuBatchProgress', moved.requestId);
  await call(api, 'deleteRichMenu', richMenuId);

  await call(oauth, 'issueStatelessChannelToken', 'client_credentials', undefined, undefined, f.channel, f.secret);
  await call(oauth, 'verifyChannelToken', f.token);
  await call(api, 'leaveGroup', f.group);
  await call(api, 'leaveRoom', f.room);
})();
