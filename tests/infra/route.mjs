// What the CDN's function must choose. route.py runs it beside the function's code, public and private.
import assert from 'node:assert/strict';
import cf from './cloudfront.mjs';
import { handler as open } from './route-false.mjs';
import { handler as closed } from './route-true.mjs';

const HEX = 'a'.repeat(64);
const BLOB = `/blobs/sha256/${HEX}/acme-sensor-1.0.0.zip`;

function ask(handler, method, uri, given = {}) {
  cf.chosen = null;
  const pairs = Object.entries({ host: 'packages.example.org', ...given });
  const headers = Object.fromEntries(pairs.map(([name, value]) => [name, { value }]));
  const viewer = { ip: '192.0.2.7' };
  const answer = handler({ request: { method, uri, headers }, viewer, context: { requestId: 'id-1' } });
  return { origin: cf.chosen, ...answer };
}

// Without a choice a request goes where its behaviour says: below /blobs/ to S3, else to `read`.
for (const method of ['GET', 'HEAD', 'OPTIONS']) {
  assert.equal(ask(open, method, '/v1/package/acme/sensor').origin, null);
}
for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'BREW']) {
  assert.equal(ask(open, method, '/v1/publish').origin, 'publish');
  assert.equal(ask(closed, method, '/v1/publish').origin, 'publish');
}

// The key in the bucket has no file name. What is no blob, the registry answers; so does a private one.
const blob = ask(open, 'GET', BLOB);
assert.deepEqual([blob.origin, blob.uri], [null, `/blobs/sha256/${HEX}`]);
const odd = ['/blobs/../staging/x', `/blobs/sha256/${HEX}`, `/blobs/sha256/${HEX}/a/b`, '/blobs/sha256/b/c',
  `/blobs/sha256/${HEX.toUpperCase()}/a`, '/blobs/%2e%2e/staging/x/archive', '/blobs/'];
for (const uri of odd) {
  const asked = ask(open, 'GET', uri);
  assert.deepEqual([asked.origin, asked.uri], ['read', uri]);
}
assert.deepEqual([ask(closed, 'GET', BLOB).origin, ask(closed, 'GET', BLOB).uri], ['read', BLOB]);

// The stock client's downloads are spaced by the read function, and none of them by the cache.
const ato = ask(open, 'GET', BLOB, { 'user-agent': 'atopile/0.15.9 (linux; 3.14.8)' });
assert.deepEqual([ato.origin, ato.uri, ato.headers['x-packhouse-turn'].value], ['read', BLOB, 'id-1']);

// Clients cannot say what only this function may say.
const feigned = ask(open, 'GET', BLOB, { 'user-agent': 'curl/8 atopile/', 'x-packhouse-turn': 'mine',
  'cloudfront-viewer-address': '10.0.0.1:1', 'x-packhouse-viewer': '10.0.0.1' });
assert.equal(feigned.headers['x-packhouse-turn'], undefined);
assert.equal(feigned.headers['cloudfront-viewer-address'], undefined);
assert.equal(feigned.headers['x-packhouse-viewer'].value, '192.0.2.7');

// Strangers' bytes have a host of their own, and nothing else is on it.
const files = { host: 'files.packages.example.org' };
assert.equal(ask(open, 'GET', BLOB, files).uri, `/blobs/sha256/${HEX}`);
const file = '/v1/package/acme/sensor/-/files/1.0.0/README.md';
assert.equal(ask(open, 'GET', file, files).statusCode, undefined);
for (const uri of ['/p/acme/sensor', '/v1/packages/all', '/', '/v1/publish']) {
  assert.equal(ask(open, 'GET', uri, files).statusCode, 404);
  assert.equal(ask(open, 'GET', uri).statusCode, undefined);
}
