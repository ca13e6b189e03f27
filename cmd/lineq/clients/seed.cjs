// Calls every method that the README of messaging-api-line documented in spring 2018, and prints a line for each.
const { LineClient } = require('messaging-api-line');
const { origin, token, user, others, group, room, content, replyTokens } = JSON.parse(process.env.FIXTURES);

const client = LineClient.connect({ accessToken: token, channelSecret: 'unused', origin });
let status;
client.axios.interceptors.response.use(
  response => { status = response.status; return response; },
  error => { status = error.response && error.response.status; return Promise.reject(error); });

async function call(method, ...args) {
  status = 0;
  try {
    const answer = await client[method](...args);
    const result = Buffer.isBuffer(answer) ? `${answer.length} bytes` : answer;
    console.log(JSON.stringify({ method, status, result }));
    return answer;
  } catch (error) {
    console.log(JSON.stringify({ method, status, error: String(error.message).split('\n')[0] }));
  }
}

// What was queued takes effect some milliseconds later.
async function eventually(method, ...args) {
  for (let i = 0; i < 200; i++) {
    try { await client[method](...args); break; } catch { await new Promise(done => setTimeout(done, 25)); }
  }
  return call(method, ...args);
}

const image = 'https://example.com/original.jpg';
const actions = [{ type: 'message', label: 'Yes', text: 'yes' }, { type: 'uri', label: 'Shop', uri: 'https://example.com' }];
const columns = [{ title: 'One', text: 'first', actions }, { title: 'Two', text: 'second', actions }];
const template = { type: 'confirm', text: 'Are you sure?', actions };
const kinds = [
  ['Text', 'Hello \u{1F600} <&> \u2028'],
  ['Image', image, 'https://example.com/preview.jpg'],
  ['Video', 'https://example.com/video.mp4', image],
  ['Audio', 'https://example.com/audio.m4a', 240000],
  ['Location', { title: 'Office', address: 'Tokyo', latitude: 35.65910807942215, longitude: 139.70372892916203 }],
  ['Sticker', '446', '1988'],
  ['Imagemap', 'a map', {
    baseUrl: 'https://example.com/map', baseSize: { height: 1040, width: 1040 },
    actions: [{ type: 'uri', linkUri: 'https://example.com/', area: { x: 0, y: 0, width: 520, height: 1040 } }],
  }],
  ['Template', 'a template', template],
  ['ButtonTemplate', 'buttons', { title: 'Menu', text: 'Please select', actions }],
  ['ConfirmTemplate', 'a question', { text: 'Are you sure?', actions }],
  ['CarouselTemplate', 'columns', columns, { imageAspectRatio: 'rectangle', imageSize: 'cover' }],
  ['ImageCarouselTemplate', 'pictures', [{ imageUrl: image, action: actions[0] }]],
];
const menu = {
  size: { width: 2500, height: 1686 }, selected: false, name: 'Nice menu', chatBarText: 'Tap here',
  areas: [{ bounds: { x: 0, y: 0, width: 2500, height: 1686 }, action: { type: 'postback', data: 'action=buy' } }],
};
const png = Buffer.from(process.env.IMAGE, 'base64');

(async () => {
  const messages = [{ type: 'text', text: 'one' }, { type: 'text', text: 'two' }];
  for (const [kind, target] of [['reply', () => replyTokens.shift()], ['push', () => user], ['multicast', () => others]]) {
    await call(kind, target(), messages);
    for (const [suffix, ...args] of kinds) await call(kind + suffix, target(), ...args);
  }
  await call('retrieveMessageContent', content);
  await call('getUserProfile', user);
  await call('getGroupMemberProfile', group, user);
  await call('getRoomMemberProfile', room, user);
  await call('getGroupMemberIds', group);
  await call('getAllGroupMemberIds', group);
  await call('getRoomMemberIds', room);
  await call('getAllRoomMemberIds', room);
  await call('getRichMenuList');
  const { richMenuId } = await call('createRichMenu', menu);
  await call('getRichMenu', richMenuId);
  await call('uploadRichMenuImage', richMenuId, png);
  await call('downloadRichMenuImage', richMenuId);
  await call('linkRichMenu', user, richMenuId);
  await eventually('getLinkedRichMenu', user);
  await call('unlinkRichMenu', user);
  await call('issueLinkToken', user);
  await call('deleteRichMenu', richMenuId);
  await call('leaveGroup', group);
  await call('leaveRoom', room);
})();
