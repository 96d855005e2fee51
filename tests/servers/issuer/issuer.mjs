// Issues access tokens as an INDIGO IAM does, after the WLCG profile, to clients that have a secret.
// Usage: node issuer.mjs CONFIG.json
//   modules   folder whose node_modules has oidc-provider
//   port      of 127.0.0.1, https
//   certificate, key   files of the host
//   signing   file of the RSA key that signs tokens
//   audience  of tokens, if the client asks for no other
//   scopes    that clients may ask for
//   clients   list of {id, secret, lifetime}: lifetime of their tokens in seconds

import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:https";
import { pathToFileURL } from "node:url";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const resolve = createRequire(`${config.modules}/`).resolve;
const { default: Provider } = await import(pathToFileURL(resolve("oidc-provider")));

const issuer = `https://localhost:${config.port}`;
const signing = createPrivateKey(readFileSync(config.signing)).export({ format: "jwk" });
const lifetimes = new Map(config.clients.map(({ id, lifetime }) => [id, lifetime]));

function resourceServer(audience, client) {
  return {
    scope: config.scopes.join(" "),
    audience,
    accessTokenFormat: "jwt",
    accessTokenTTL: lifetimes.get(client.clientId),
    jwt: { sign: { alg: "RS256" } },
  };
}

const provider = new Provider(issuer, {
  clients: config.clients.map(({ id, secret }) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    scope: config.scopes.join(" "),
  })),
  cookies: { keys: ["of tests"] },
  extraTokenClaims: () => ({ "wlcg.ver": "1.0", nbf: Math.floor(Date.now() / 1000) - 5 }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => config.audience,
      getResourceServerInfo: (_, audience, client) => resourceServer(audience, client),
      useGrantedResource: () => true,
    },
    revocation: { enabled: true },
  },
  jwks: { keys: [{ ...signing, alg: "RS256", kid: "test", use: "sig" }] },
  scopes: config.scopes,
});

const tls = { cert: readFileSync(config.certificate), key: readFileSync(config.key) };
createServer(tls, provider.callback()).listen(config.port, "127.0.0.1");
