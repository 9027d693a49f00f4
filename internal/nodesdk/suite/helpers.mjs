// What the files of the suite share: a client of the official SDK that points to the
// emulator, and the note of which methods were called.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
import Nylas from 'nylas';

const env = (name) => {
  const value = process.env[name];
  assert.ok(value, `set ${name}: paste the line that the emulator prints`);
  return value;
};

export const identifier = env('NYLAS_GRANT_ID');

// noted is the client, of which each call of a method is written to the file NYLAS_CALLS.
function noted(client) {
  const note = (name) => process.env.NYLAS_CALLS && appendFileSync(process.env.NYLAS_CALLS, name + '\n');
  const watch = (resource, name) =>
    new Proxy(resource, {
      get(target, method) {
        const value = Reflect.get(target, method);
        if (typeof value !== 'function') return value;
        return (...args) => {
          note(`${name}.${String(method)}`);
          return value.apply(target, args);
        };
      },
    });
  return new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name);
      return typeof value === 'object' ? watch(value, String(name)) : value;
    },
  });
}

export function newClient(config = {}) {
  return noted(new Nylas({ apiKey: env('NYLAS_API_KEY'), apiUri: env('NYLAS_API_URL'), ...config }));
}

export const nylas = newClient();

// A request of the SDK repeats the names of its fields in camel case.
export const tracked = (label) => ({
  to: [{ name: 'Kim Townsend', email: 'kim@example.org' }],
  subject: `Follow-up ${label}`,
  body: '<p>Hi! <a href="https://acme.dev/demo">Book a demo</a> or <a href="https://acme.dev/docs">read</a>.</p>',
  trackingOptions: { opens: true, links: true, threadReplies: true, label },
});

export async function send(requestBody) {
  const { data } = await nylas.messages.send({ identifier, requestBody });
  return data;
}

// reply lets the recipient answer a message, by an endpoint that only the emulator has.
export async function reply(messageId) {
  const answer = await fetch(`${env('NYLAS_API_URL')}/nylastest/grants/${identifier}/messages/${messageId}/replies`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${env('NYLAS_API_KEY')}` },
  });
  assert.equal(answer.status, 200);
}

// recipient returns what the recipient of a message can load and follow.
export async function recipient(messageId) {
  const { data } = await nylas.messages.find({ identifier, messageId });
  const pixel = data.body.match(/<img[^>]* src="([^"]+)"/)[1];
  const links = [...data.body.matchAll(/<a href="([^"]+)"/g)].map((match) => match[1]);
  return { pixel, links };
}

// listen starts a receiver of notifications as Nylas' pages describe one. It answers
// challenges, verifies signatures and keeps what it got about messages with the label:
// other files send at the same time.
export async function listen(t, label) {
  const got = [];
  const waiting = [];
  const receiver = { secret: undefined, challenges: 0 };
  const server = createServer(async (request, response) => {
    const url = `http://${request.headers.host}${request.url}`;
    if (request.method === 'GET') {
      receiver.challenges++;
      const challenge = nylas.webhooks.extractChallengeParameter(url);
      response.writeHead(200, { 'Content-Length': Buffer.byteLength(challenge) }).end(challenge);
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    if (!receiver.secret) {
      response.writeHead(503).end();
      return;
    }
    const signature = createHmac('sha256', receiver.secret).update(raw).digest('hex');
    if (request.headers['x-nylas-signature'] !== signature) {
      response.writeHead(401).end();
      return;
    }
    response.writeHead(200).end();
    const zipped = request.headers['content-encoding'] === 'gzip';
    const notification = JSON.parse(zipped ? gunzipSync(raw) : raw);
    if (notification.data.object.label !== label) return;
    got.push({ zipped, ...notification });
    while (waiting.length > 0 && got.length > 0) waiting.shift()(got.shift());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  receiver.url = `http://127.0.0.1:${server.address().port}/hooks`;
  receiver.next = () => (got.length > 0 ? got.shift() : new Promise((resolve) => waiting.push(resolve)));
  return receiver;
}

// collect reads all pages of a list.
export async function collect(list) {
  const pages = [];
  for await (const page of list) {
    assert.ok(page.requestId);
    pages.push(page.data);
  }
  return pages;
}
