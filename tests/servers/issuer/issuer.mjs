// Issues tokens as an INDIGO IAM does, after the WLCG profile: to clients that have a secret, and to users who
// consent in a browser, whom it believes who they are.  Refresh tokens are good for one use.
// Usage: node issuer.mjs CONFIG.json
//   modules   folder whose node_modules has oidc-provider
//   port      of 127.0.0.1, https
//   url       what it calls itself, if something stands before it
//   certificate, key   files of the host
//   signing   file of the RSA key that signs tokens
//   audience  of tokens, if the client asks for no other
//   scopes    that clients may ask for
//   clients   list of {id, secret, grants, lifetime}: lifetime of their access tokens in seconds
//   lifetimes file, read each time, with what is to be another: {client: {access, refresh, device}}
//   grants    file that gets a line for each request for tokens: grant, client, error

import { createPrivateKey } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:https";
import { pathToFileURL } from "node:url";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const resolve = createRequire(`${config.modules}/`).resolve;
const { default: Provider, errors } = await import(pathToFileURL(resolve("oidc-provider")));

const { jwtVerify, createLocalJWKSet } = await import(pathToFileURL(resolve("jose")));

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const WEEK = 7 * 86400;

const issuer = config.url ?? `https://localhost:${config.port}`;
const signing = createPrivateKey(readFileSync(config.signing)).export({ format: "jwk" });
const lifetimes = new Map(config.clients.map(({ id, lifetime }) => [id, lifetime]));

const publicKey = { kty: signing.kty, n: signing.n, e: signing.e, kid: "test", alg: "RS256", use: "sig" };

function lifetime(client, kind, usual) {
  const changed = existsSync(config.lifetimes) ? JSON.parse(readFileSync(config.lifetimes, "utf8")) : {};
  return changed[client.clientId]?.[kind] ?? usual;
}

function resourceServer(audience, client) {
  return {
    scope: config.scopes.join(" "),
    audience,
    accessTokenFormat: "jwt",
    accessTokenTTL: lifetime(client, "access", lifetimes.get(client.clientId) ?? 3600),
    jwt: { sign: { alg: "RS256" } },
  };
}

const allScopes = ["openid", "offline_access", ...config.scopes];
const provider = new Provider(issuer, {
  clients: config.clients.map(({ id, secret, grants }) => ({
    client_id: id,
    ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
    grant_types: grants,
    redirect_uris: [],
    response_types: [],
    scope: (grants.includes("refresh_token") ? allScopes : config.scopes).join(" "),
  })),
  cookies: { keys: ["of tests"] },
  extraTokenClaims: (_, { accountId }) => ({
    "wlcg.ver": "1.0",
    nbf: Math.floor(Date.now() / 1000) - 5,
    ...(accountId && { "wlcg.groups": ["/dodas", "/dodas/test"] }),
  }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true, initialAccessToken: false },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => config.audience,
      getResourceServerInfo: (_, audience, client) => resourceServer(audience, client),
      useGrantedResource: () => true,
    },
    revocation: { enabled: true },
  },
  jwks: { keys: [{ ...signing, alg: "RS256", kid: "test", use: "sig" }] },
  rotateRefreshToken: true,
  scopes: allScopes,
  ttl: {
    DeviceCode: (_, token, client) => lifetime(client, "device", 600),
    RefreshToken: (_, token, client) => lifetime(client, "refresh", WEEK),
  },
});

// RFC 8693, which oidc-provider lacks: a token of ours for one for another audience, of the same scopes or fewer.
provider.registerGrantType(
  EXCHANGE,
  async (ctx) => {
    const { params, client } = ctx.oidc;
    const keys = createLocalJWKSet({ keys: [publicKey] });
    let claims;
    try {
      ({ payload: claims } = await jwtVerify(params.subject_token, keys, { issuer }));
    } catch {
      throw new errors.InvalidGrant("the subject token is not valid");
    }
    const had = claims.scope.split(" ");
    const scope = params.scope ?? claims.scope;
    if (!scope.split(" ").every((word) => had.includes(word))) {
      throw new errors.InvalidScope("more than the subject token has", scope);
    }
    const token = new provider.AccessToken({
      accountId: claims.sub, client, grantId: claims.jti, gty: EXCHANGE, scope,
    });
    token.resourceServer = new provider.ResourceServer(
      params.audience, resourceServer(params.audience, client),
    );
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: "Bearer",
      expires_in: token.expiration,
      scope,
    };
  },
  ["audience", "resource", "scope", "subject_token", "subject_token_type", "requested_token_type"],
);

for (const event of ["grant.success", "grant.error"]) {
  provider.on(event, (ctx, error) => {
    const grant = ctx.oidc.params?.grant_type;
    const line = { grant, client: ctx.oidc.client?.clientId, error: error?.error };
    if (config.grants) appendFileSync(config.grants, `${JSON.stringify(line)}\n`);
  });
}

provider.use(async (ctx, next) => {
  await next();
  if (ctx.body?.device_code) ctx.body.interval = 0.25; // tests are impatient
});

const tls = { cert: readFileSync(config.certificate), key: readFileSync(config.key) };
const answer = provider.callback();
createServer(tls, (request, response) => {
  request.headers.host = new URL(issuer).host; // so that its addresses are those of what stands before it
  answer(request, response);
}).listen(config.port, "127.0.0.1");
