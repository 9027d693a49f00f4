// Two senders with the official Node SDK. "bare" calls it as its README does. "careful"
// adds what the SDK does not have: one Idempotency-Key for all attempts, and another
// attempt whenever that may help.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Nylas from 'nylas';
import { serve } from './process.mjs';

const { url, key, grant, body, recipient, subject, label } = JSON.parse(process.env.NYLAS_COMPARISON);
const nylas = new Nylas({ apiKey: key, apiUri: url });
const requestBody = () => ({
  to: [{ email: recipient }],
  subject,
  body,
  trackingOptions: { opens: true, links: true, threadReplies: true, label },
});

async function bare() {
  await nylas.messages.send({ identifier: grant, requestBody: requestBody() });
}

const attempts = 4;
const passing = new Set([408, 429, 500, 502, 503, 504]);

async function careful() {
  const headers = { 'Idempotency-Key': randomUUID() };
  for (let attempt = 1; ; attempt++) {
    try {
      return await nylas.messages.send({ identifier: grant, requestBody: requestBody(), overrides: { headers } });
    } catch (err) {
      // An answer that is no JSON has no status here, and neither has a broken connection.
      if (attempt === attempts || (err.statusCode && !passing.has(err.statusCode))) throw err;
      const seconds = Number(err.headers?.['retry-after']);
      await sleep(seconds > 0 ? seconds * 1000 : 500 * 2 ** (attempt - 1));
    }
  }
}

const send = process.argv[2] === 'bare' ? bare : careful;

serve(async (request, response) => {
  const times = Number(new URL(request.url, 'http://localhost').searchParams.get('times'));
  const lines = [];
  for (let i = 0; i < times; i++) {
    try {
      await send();
      lines.push('sent');
    } catch {
      lines.push('failed');
    }
  }
  response.end(lines.join('\n'));
});
