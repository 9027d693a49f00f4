import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebhookTriggers } from 'nylas';
import { listen, nylas, recipient, reply, send, tracked } from './helpers.mjs';

const triggerTypes = [WebhookTriggers.MessageOpened, WebhookTriggers.MessageLinkClicked, WebhookTriggers.ThreadReplied];

test('webhooks, from the challenge to the reply', async (t) => {
  const receiver = await listen(t, 'hooks');
  const created = await nylas.webhooks.create({
    requestBody: { triggerTypes, webhookUrl: receiver.url, description: 'suite', notificationEmailAddresses: ['ops@acme.dev'] },
  });
  assert.equal(receiver.challenges, 1);
  assert.equal(created.data.status, 'active');
  receiver.secret = created.data.webhookSecret;
  const webhookId = created.data.id;

  const list = await nylas.webhooks.list();
  assert.deepEqual(list.data.filter((hook) => hook.id === webhookId).map((hook) => [hook.webhookSecret, hook.webhookUrl]), [[undefined, receiver.url]]);
  const found = await nylas.webhooks.find({ webhookId });
  assert.ok(found.data.createdAt > 0 && found.data.statusUpdatedAt > 0);
  const updated = await nylas.webhooks.update({ webhookId, requestBody: { description: 'changed' } });
  assert.deepEqual([updated.data.description, updated.data.triggerTypes], ['changed', triggerTypes]);

  const message = await send(tracked('hooks'));
  const { pixel, links } = await recipient(message.id);
  assert.equal((await fetch(pixel)).headers.get('content-type'), 'image/gif');
  const opened = await receiver.next();
  assert.equal(opened.type, 'message.opened');
  assert.equal(opened.specversion, '1.0');
  assert.equal(opened.data.object.message_id, message.id);
  assert.equal(opened.data.object.label, 'hooks');
  assert.equal(opened.data.object.message_data.count, 1);

  // Rotation: the new secret signs at once.
  const rotated = await nylas.webhooks.rotateSecret({ webhookId });
  assert.notEqual(rotated.data.webhookSecret, receiver.secret);
  receiver.secret = rotated.data.webhookSecret;
  const redirect = await fetch(links[1], { redirect: 'manual' });
  assert.equal(redirect.headers.get('location'), 'https://acme.dev/docs');
  const clicked = await receiver.next();
  assert.equal(clicked.type, 'message.link_clicked');
  assert.equal(clicked.data.object.link_data.find((link) => link.url === 'https://acme.dev/docs').count, 1);
  assert.notEqual(clicked.id, opened.id);
  await reply(message.id);
  const replied = await receiver.next();
  assert.equal(replied.type, 'thread.replied');
  assert.equal(replied.data.object.root_message_id, message.id);

  const gone = await nylas.webhooks.destroy({ webhookId });
  assert.deepEqual(gone.data, { status: 'success' });
  await assert.rejects(nylas.webhooks.find({ webhookId }), { statusCode: 400, type: '70000' });
});

test('a webhook that wants gzip', async (t) => {
  const receiver = await listen(t, 'gzip');
  // The types of the SDK do not have the field yet.
  const { data: hook } = await nylas.webhooks.create({ requestBody: { triggerTypes, webhookUrl: receiver.url, compressedDelivery: true } });
  receiver.secret = hook.webhookSecret;
  const message = await send(tracked('gzip'));
  await fetch((await recipient(message.id)).pixel);
  const opened = await receiver.next();
  assert.ok(opened.zipped);
  assert.equal(opened.data.object.message_id, message.id);
  await nylas.webhooks.destroy({ webhookId: hook.id });
});

test('a webhook that nobody answers for', async () => {
  await assert.rejects(
    nylas.webhooks.create({ requestBody: { triggerTypes, webhookUrl: `${process.env.NYLAS_API_URL}/nobody` } }),
    { statusCode: 400, type: '70005', message: 'unable.verify.webhook_url : status is not ok, got 404' },
  );
});

test('the addresses that notifications come from', async () => {
  const { data } = await nylas.webhooks.ipAddresses();
  assert.ok(Array.isArray(data.ipAddresses));
  assert.ok(data.updatedAt > 0);
});
