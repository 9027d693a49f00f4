import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NylasApiError, NylasSdkTimeoutError } from 'nylas';
import { identifier, newClient, nylas, tracked } from './helpers.mjs';

// refused checks an error of the API, with the request id that a support ticket needs.
async function refused(promise, statusCode, type, message) {
  await assert.rejects(promise, (err) => {
    assert.ok(err instanceof NylasApiError, String(err));
    assert.deepEqual([err.statusCode, err.type, err.message], [statusCode, type, message]);
    assert.match(err.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(err.headers['x-request-id'], err.requestId);
    return true;
  });
}

test('errors of the API', async () => {
  const messageId = 'unknown';
  await refused(nylas.messages.find({ identifier, messageId }), 404, 'api.not_found_error', 'message not found');
  await refused(nylas.grants.find({ grantId: messageId }), 404, 'api.not_found_error', 'grant not found');
  await refused(
    nylas.messages.list({ identifier, queryParams: { limit: 201 } }),
    400, 'api.invalid_request_error', 'limit must be between 1 and 200',
  );
  const denied = { ...tracked('denied'), body: '<a href="https://example.com/demo">demo</a>' };
  await refused(
    nylas.messages.send({ identifier, requestBody: denied }),
    400, 'api.tracking_error', 'https://example.com/demo has been reported as phishing or spam. please remove the link from your email.',
  );
  const links = { ...tracked('links'), body: '<a href="https://acme.dev/demo">demo</a>'.repeat(101) };
  await refused(
    nylas.messages.send({ identifier, requestBody: links }),
    400, 'api.invalid_request_error',
    'Too many tracking links: 101 exceeds the maximum of 100. Please reduce the number of links in your email.',
  );
});

test('a wrong key', async () => {
  const stranger = newClient({ apiKey: 'wrong' });
  await refused(stranger.messages.list({ identifier }), 401, 'unauthorized', 'Unauthorized');
  await assert.rejects(stranger.webhooks.list(), { providerError: { code: 401, message: 'Unauthorized' } });
});

test('a client that does not wait', async () => {
  const content = Buffer.alloc(8 * 1024 * 1024); // takes longer than a millisecond to send
  const attachments = [{ filename: 'a.bin', contentType: 'application/octet-stream', content, size: content.length }];
  await assert.rejects(
    nylas.messages.send({ identifier, requestBody: { ...tracked('timeout'), attachments }, overrides: { timeout: 0.001 } }),
    (err) => {
      assert.ok(err instanceof NylasSdkTimeoutError, String(err));
      assert.equal(err.timeout, 0.001);
      return true;
    },
  );
});

test('what Nylas has and the emulator does not', async () => {
  // Nylas answers a path that it does not know in plain text, which the SDK cannot parse.
  await assert.rejects(
    nylas.calendars.list({ identifier }),
    { message: `Received an error but could not parse response from the server: Cannot GET /v3/grants/${identifier}/calendars` },
  );
});
