import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { MessageFields } from 'nylas';
import { collect, identifier, newClient, nylas, send, tracked } from './helpers.mjs';

const MiB = 1024 * 1024;

test('a send with tracking', async () => {
  const answer = await nylas.messages.send({
    identifier,
    queryParams: { fields: MessageFields.INCLUDE_BASIC_HEADERS },
    requestBody: {
      ...tracked('send'),
      cc: [{ email: 'lee@example.org' }],
      customHeaders: [{ name: 'X-Campaign', value: 'q2' }],
      metadata: { key1: 'a-b' },
    },
  });
  assert.match(answer.requestId, /^[0-9a-f-]{36}$/);
  assert.equal(answer.data.object, 'message');
  assert.equal(answer.data.grantId, identifier);
  assert.deepEqual(answer.data.cc, [{ email: 'lee@example.org' }]);
  assert.equal(answer.data.headers[0].name, 'Message-ID');
  assert.match(answer.data.body, /acme\.dev\/demo/, 'the answer has the body of the request');

  const { data } = await nylas.messages.find({
    identifier,
    messageId: answer.data.id,
    queryParams: { fields: MessageFields.INCLUDE_TRACKING_OPTIONS },
  });
  assert.deepEqual(data.trackingOptions, { opens: true, links: true, threadReplies: true, label: 'send' });
  assert.deepEqual(data.metadata, { key1: 'a-b' });
  assert.doesNotMatch(data.body, /acme\.dev\/demo/, 'the mailbox has the rewritten link');

  const mime = await nylas.messages.find({ identifier, messageId: answer.data.id, queryParams: { fields: MessageFields.RAW_MIME } });
  assert.match(Buffer.from(mime.data.rawMime, 'base64url').toString(), /^X-Campaign: q2\r$/m);
});

test('attachments in JSON: the SDK sends their size', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodesdk-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'offer.txt');
  writeFileSync(path, 'the offer');
  const sent = await send({
    ...tracked('attachments'),
    body: '<p>See <img src="cid:logo1"></p>',
    attachments: [
      { filename: 'offer.txt', contentType: 'text/plain', content: createReadStream(path), size: 9 },
      { filename: 'logo.png', contentType: 'image/png', content: Buffer.from('logo'), size: 4, contentId: 'logo1', isInline: true },
      { filename: 'b.txt', contentType: 'text/plain', content: Buffer.from('base64').toString('base64') },
    ],
  });
  assert.deepEqual(
    sent.attachments.map((a) => [a.filename, a.contentType, a.size, a.isInline]),
    [['offer.txt', 'text/plain', 9, false], ['logo.png', 'image/png', 4, true], ['b.txt', 'text/plain', 6, false]],
  );
  const attachmentId = sent.attachments[0].id;
  const queryParams = { messageId: sent.id };
  const { data } = await nylas.attachments.find({ identifier, attachmentId, queryParams });
  assert.equal(data.filename, 'offer.txt');
  assert.equal(await text(await nylas.attachments.download({ identifier, attachmentId, queryParams })), 'the offer');
  assert.equal(await text(await nylas.attachments.downloadNodeStream({ identifier, attachmentId, queryParams })), 'the offer');
  assert.equal(String(await nylas.attachments.downloadBytes({ identifier, attachmentId, queryParams })), 'the offer');
});

test('attachments in multipart: from 3 MiB on', async () => {
  const content = Buffer.alloc(4 * MiB, 'x');
  const sent = await send({
    ...tracked('multipart'),
    attachments: [
      { filename: 'big.bin', contentType: 'application/octet-stream', content, size: content.length },
      { filename: 'stream.txt', contentType: 'text/plain', content: Readable.from([Buffer.from('streamed')]), size: 8 },
    ],
  });
  assert.deepEqual(
    sent.attachments.map((a) => [a.filename, a.contentType, a.size]),
    [['big.bin', 'application/octet-stream', content.length], ['stream.txt', 'text/plain', 8]],
  );
  const bytes = await nylas.attachments.downloadBytes({
    identifier,
    attachmentId: sent.attachments[0].id,
    queryParams: { messageId: sent.id },
  });
  assert.ok(content.equals(bytes));
});

test('drafts', async () => {
  const { data: draft } = await nylas.drafts.create({
    identifier,
    requestBody: { ...tracked('draft'), starred: true, attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('a'), size: 1 }] },
  });
  assert.equal(draft.object, 'draft');
  const draftId = draft.id;
  const big = Buffer.alloc(3 * MiB, 'y');
  const updated = await nylas.drafts.update({
    identifier,
    draftId,
    requestBody: { subject: 'Follow-up draft, second', attachments: [{ filename: 'b.bin', contentType: 'application/octet-stream', content: big, size: big.length }] },
  });
  assert.equal(updated.data.subject, 'Follow-up draft, second');
  assert.equal(updated.data.attachments[0].size, big.length);
  const found = await nylas.drafts.find({ identifier, draftId });
  assert.deepEqual(found.data, updated.data);
  const list = await nylas.drafts.list({ identifier, queryParams: { subject: 'draft, second', starred: true, anyEmail: ['kim@example.org'] } });
  assert.deepEqual(list.data.map((d) => d.id), [draftId]);

  const sent = await nylas.drafts.send({ identifier, draftId });
  assert.equal(sent.data.subject, 'Follow-up draft, second');
  await assert.rejects(nylas.drafts.find({ identifier, draftId }), { statusCode: 404 });

  const { data: dropped } = await nylas.drafts.create({ identifier, requestBody: { to: [], subject: 'dropped' } });
  assert.ok((await nylas.drafts.destroy({ identifier, draftId: dropped.id })).requestId);
  await assert.rejects(nylas.drafts.destroy({ identifier, draftId: dropped.id }), { statusCode: 404 });
});

test('scheduled messages', async () => {
  const sendAt = Math.floor(Date.now() / 1000) + 3600;
  const scheduled = await send({ ...tracked('schedule'), sendAt });
  assert.equal(scheduled.sendAt, sendAt);
  const { scheduleId } = scheduled;
  // The types of the SDK say data.schedules. What it returns is what came.
  const list = await nylas.messages.listScheduledMessages({ identifier });
  assert.ok(list.data.some((schedule) => schedule.scheduleId === scheduleId && schedule.status.code === 'pending'));
  const found = await nylas.messages.findScheduledMessage({ identifier, scheduleId });
  assert.equal(found.data.scheduleId, scheduleId);
  const stopped = await nylas.messages.stopScheduledMessage({ identifier, scheduleId });
  assert.equal(stopped.data.message, 'requested cancelation for workflow');
  await assert.rejects(nylas.messages.findScheduledMessage({ identifier, scheduleId }), { statusCode: 404 });
});

test('lists of messages, page by page', async () => {
  const ids = [];
  for (let i = 0; i < 5; i++) ids.unshift((await send({ ...tracked('pages'), metadata: { key2: `m${i}` } })).id);
  const queryParams = { subject: 'Follow-up pages', limit: 2 };
  const pages = await collect(nylas.messages.list({ identifier, queryParams }));
  assert.deepEqual(pages.map((page) => page.map((m) => m.id)), [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);

  const first = await nylas.messages.list({ identifier, queryParams });
  const second = await first.next();
  assert.deepEqual(second.value.data.map((m) => m.id), ids.slice(2, 4));
  // The SDK gives a list as a repeated parameter: the last one counts.
  const to = await nylas.messages.list({ identifier, queryParams: { ...queryParams, to: ['nobody@example.org', 'kim@example.org'] } });
  assert.deepEqual(to.data.map((m) => m.id), ids.slice(0, 2));
  const none = await nylas.messages.list({ identifier, queryParams: { subject: 'Follow-up pages', anyEmail: ['nobody@example.org', 'none@example.org'] } });
  assert.deepEqual(none.data, []);
  const marked = await nylas.messages.list({ identifier, queryParams: { metadataPair: { key2: 'm3' } } });
  assert.deepEqual(marked.data.map((m) => m.id), [ids[1]]);
  const filtered = await nylas.messages.list({
    identifier,
    queryParams: { ...queryParams, in: ['SENT'], unread: false, hasAttachment: false, receivedAfter: 1, select: 'id,subject' },
  });
  assert.deepEqual(Object.keys(filtered.data[0]).sort(), ['id', 'subject']);
});

test('messages are changed and deleted', async () => {
  const { id: messageId } = await send(tracked('change'));
  const changed = await nylas.messages.update({ identifier, messageId, requestBody: { starred: true, unread: true, folders: ['INBOX'] } });
  assert.deepEqual([changed.data.starred, changed.data.unread, changed.data.folders], [true, true, ['INBOX']]);
  assert.ok((await nylas.messages.destroy({ identifier, messageId })).requestId);
  const { data } = await nylas.messages.find({ identifier, messageId });
  assert.deepEqual(data.folders, ['TRASH']);
});

test('a transactional send', { skip: !process.env.NYLAS_DOMAIN_URL && 'NYLAS_DOMAIN_URL names no server with a sending domain' }, async () => {
  const client = newClient({ apiKey: process.env.NYLAS_DOMAIN_KEY, apiUri: process.env.NYLAS_DOMAIN_URL });
  const { threadReplies, ...trackingOptions } = tracked('transactional').trackingOptions;
  const answer = await client.transactionalSend.send({
    domainName: 'acme.dev',
    requestBody: {
      ...tracked('transactional'),
      from: { name: 'Acme', email: 'news@acme.dev' },
      trackingOptions,
      attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('a'), size: 1 }],
    },
  });
  assert.ok(answer.requestId);
  assert.ok(answer.data.id);
  assert.deepEqual(answer.data.trackingOptions, trackingOptions);
});
