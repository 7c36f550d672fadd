export { authorityFault, createAuthority, issueServing, type Authority, type ServingCertificate } from './authority.ts';
export { loadAuthority, publishBundle, type Trust, type TrustEnvironment } from './trust.ts';
export { keepBundles, namespacesWithProxies, type BundleKeeper, type BundlesEnvironment } from './publish.ts';
export { reviewToken, type Bearer, type Reviewed } from './tokens.ts';
export { gatewayLabel, nodeOf, type PodFacts } from './identity.ts';
export { serveStream, type Admission, type StreamServer, type StreamServerEnvironment } from './server.ts';
