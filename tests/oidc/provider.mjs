// An OpenID Connect provider for tests: a client a role, each with the client-credentials grant, whose access
// tokens are JWTs with roles and bodies. To rotate its keys, start it again with others.
//
//   PORT      where it listens; 0 (the default) takes a free port
//   HOST      on which address; 127.0.0.1
//   ISSUER    its name; http://HOST:PORT
//   AUDIENCE  for whom its tokens are; urn:muniment
//   KEYS      names of its keys, with commas between: the first ones sign, all are published; "first"
//   STATE     folder where keys are kept under their names; without one they are made anew at each start
//   TTL       how long its tokens are valid, in seconds; 600
//
// It prints `issuer URL` when it answers. It is for tests only: its secrets are no secrets (`<client>-secret`).

import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

// What Node.js 18 (Debian 12) lacks and the provider needs.
globalThis.crypto ??= webcrypto;
URL.parse ??= (url, base) => {
  try { return new URL(url, base); } catch { return null; }
};
const { Provider } = await import('oidc-provider');

const {
  PORT = '0', HOST = '127.0.0.1', ISSUER, AUDIENCE = 'urn:muniment', KEYS = 'first', STATE, TTL = '600',
} = process.env;

// Who each client is, and which kind of key signs its tokens.
const clients = {
  admin: { roles: ['muniment-admin'], bodies: [], alg: 'RS256' },
  archivist: { roles: ['muniment-archivist', 'offline_access'], bodies: [], alg: 'RS256' },
  contributor: { roles: ['muniment-contributor'], bodies: ['LOCAL'], alg: 'ES256' },
  reader: { roles: ['muniment-reader'], bodies: ['LOCAL'], alg: 'ES256' },
  worker: { roles: ['muniment-worker'], bodies: [], alg: 'ES256' },
  stranger: { roles: ['something-else'], bodies: ['LOCAL'], alg: 'RS256' },
};

function make(type, options, alg, name) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: `${alg}-${name}`, use: 'sig', alg };
}

function keys(name) {
  const file = STATE && join(STATE, `${name}.json`);
  if (file && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const made = [
    make('rsa', { modulusLength: 2048 }, 'RS256', name),
    make('ec', { namedCurve: 'P-256' }, 'ES256', name),
  ];
  if (file) writeFileSync(file, JSON.stringify(made));
  return made;
}

const server = createServer();
await new Promise((resolve) => server.listen(Number(PORT), HOST, resolve));
const issuer = ISSUER ?? `http://${HOST}:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks: { keys: KEYS.split(',').flatMap(keys) },
  clients: Object.keys(clients).map((id) => ({
    client_id: id,
    client_secret: `${id}-secret`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  })),
  extraTokenClaims(_ctx, token) {
    const { roles, bodies } = clients[token.clientId];
    return { roles, bodies, realm_access: { roles } };
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      getResourceServerInfo: (_ctx, _resource, client) => ({
        scope: 'muniment',
        audience: AUDIENCE,
        accessTokenTTL: Number(TTL),
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: clients[client.clientId].alg } },
      }),
    },
  },
});

server.on('request', provider.callback());
console.log(`issuer ${issuer}`);
