import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, identifier, nylas, reply, send, tracked } from './helpers.mjs';

test('threads', async () => {
  const first = await send(tracked('threads'));
  const second = await send(tracked('threads'));
  await reply(first.id);
  const queryParams = { subject: 'Follow-up threads', limit: 1, anyEmail: ['kim@example.org'] };
  const pages = await collect(nylas.threads.list({ identifier, queryParams }));
  assert.deepEqual(pages.map((page) => page.map((thread) => thread.id)), [[first.threadId], [second.threadId]]);

  const threadId = first.threadId;
  const { data: thread } = await nylas.threads.find({ identifier, threadId });
  assert.equal(thread.messageIds.length, 2);
  assert.equal(thread.latestDraftOrMessage.subject, 'Re: Follow-up threads');
  assert.ok(thread.latestMessageReceivedDate >= thread.latestMessageSentDate);
  assert.deepEqual(thread.participants.map((p) => p.email), ['sender@nylas.test', 'kim@example.org']);

  const read = await nylas.threads.update({ identifier, threadId, requestBody: { unread: false, starred: true } });
  assert.deepEqual([read.data.unread, read.data.starred], [false, true]);
  assert.ok((await nylas.threads.destroy({ identifier, threadId })).requestId);
  const trash = await nylas.threads.list({ identifier, queryParams: { in: ['TRASH'], subject: 'Follow-up threads' } });
  assert.deepEqual(trash.data.map((t) => t.id), [threadId]);
});

test('folders', async () => {
  const list = await nylas.folders.list({ identifier, queryParams: { limit: 200, singleLevel: true, includeHiddenFolders: true } });
  assert.deepEqual(list.data.map((folder) => folder.id), ['INBOX', 'SENT', 'DRAFTS', 'SPAM', 'TRASH']);
  const found = await nylas.folders.find({ identifier, folderId: 'SENT', queryParams: { select: 'id,attributes' } });
  assert.deepEqual(found.data, { id: 'SENT', attributes: ['\\Sent'] });
});

test('grants', async () => {
  const found = await nylas.grants.find({ grantId: identifier });
  assert.equal(found.data.grantStatus, 'valid');
  assert.equal(found.data.provider, 'google');
  const list = await nylas.grants.list({ queryParams: { email: found.data.email, sortBy: 'created_at', orderBy: 'desc', limit: 10, offset: 0 } });
  assert.deepEqual(list.data.map((grant) => grant.id), [identifier]);
  // A grant can be named by its address.
  const byAddress = await nylas.folders.find({ identifier: found.data.email, folderId: 'INBOX' });
  assert.equal(byAddress.data.grantId, identifier);
});
