// A receiver of tracking notifications with the official Node SDK of Nylas and node:http.
// The SDK has the names of the triggers and reads the challenge. It has no types of
// notifications and checks no signature of a webhook, so the rest is written as Nylas'
// pages describe it.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import Nylas, { WebhookTriggers } from 'nylas';
import { journal } from './journal.mjs';
import { serve } from './process.mjs';

const secret = process.env.NYLAS_WEBHOOK_SECRET;
const maxBody = 10 * 1024 * 1024;
const inflate = promisify(gunzip);
const nylas = new Nylas({ apiKey: 'unused' });
const handled = new Set(); // ids of notifications
const known = new Set(); // events

async function receive(request, response) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBody) return answer(response, 413);
    chunks.push(chunk);
  }
  const raw = Buffer.concat(chunks);
  const want = createHmac('sha256', secret).update(raw).digest();
  const got = Buffer.from(request.headers['x-nylas-signature'] ?? '', 'hex');
  if (got.length !== want.length || !timingSafeEqual(got, want)) return answer(response, 401);

  let notification, events;
  try {
    const zipped = request.headers['content-encoding'] === 'gzip';
    notification = JSON.parse(zipped ? await inflate(raw, { maxOutputLength: maxBody }) : raw);
    events = eventsOf(notification);
  } catch (err) {
    console.error('unreadable notification:', err.message);
    return answer(response, 400);
  }
  if (!handled.has(notification.id)) {
    try {
      for (const event of events) {
        if (known.has(event.key)) continue;
        journal.save(event);
        known.add(event.key);
      }
    } catch (err) {
      console.error('not saved:', err.message);
      return answer(response, 503); // Nylas tries again
    }
    handled.add(notification.id);
  }
  answer(response, 200);
}

// eventsOf returns the events of a notification. Each notification repeats earlier ones.
function eventsOf(notification) {
  const object = notification.data.object;
  const event = (kind, message, label, time, ...key) => ({ kind, message, label, time, key: [kind, message, ...key].join(' ') });
  switch (notification.type) {
    case WebhookTriggers.MessageOpened:
      return object.recents.map((open) => event('open', object.message_id, object.label, open.timestamp, open.opened_id));
    case WebhookTriggers.MessageLinkClicked:
      return object.recents.map((click) => event('click', object.message_id, object.label, click.timestamp, click.link_index, click.click_id));
    case WebhookTriggers.ThreadReplied:
      return [event('reply', object.root_message_id, object.label, object.timestamp, object.message_id)];
    case WebhookTriggers.MessageOpenedLegacy:
      return object.deltas.flatMap(({ object_data: { metadata } }) =>
        metadata.recents.map((open) => event('open', metadata.message_id, metadata.payload, open.timestamp, open.id)));
    case WebhookTriggers.MessageLinkClickedLegacy:
      return object.deltas.flatMap(({ object_data: { metadata } }) =>
        metadata.recents.map((click) => event('click', metadata.message_id, metadata.payload, click.timestamp, click.link_index, click.id)));
    case WebhookTriggers.ThreadRepliedLegacy:
      return object.deltas.map(({ object_data: { metadata } }) =>
        event('reply', metadata.reply_to_message_id, metadata.payload, metadata.timestamp, metadata.message_id));
    default:
      return []; // a trigger that is not about tracking
  }
}

function answer(response, status, body = '') {
  response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) }).end(body);
}

serve(async (request, response) => {
  try {
    const url = new URL(request.url, 'http://localhost');
    if (request.method === 'GET' && url.pathname === '/report') answer(response, 200, journal.report());
    else if (request.method === 'GET') answer(response, 200, nylas.webhooks.extractChallengeParameter(url.href));
    else if (request.method === 'POST') await receive(request, response);
    else answer(response, 405);
  } catch (err) {
    console.error(err.message);
    if (!response.headersSent) answer(response, 400);
  }
});
