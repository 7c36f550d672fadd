import { routeHosts, routePrefixes, type Site } from './types.ts';

export const extensions = 'type.googleapis.com/envoy.extensions';
const filters = `${extensions}.filters.http`;
/** The fields that meshes log. */
const logFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS% %ROUTE_NAME%\n';
export const envoyRetries = { retry_on: 'connect-failure,refused-stream,retriable-status-codes', retriable_status_codes: [503], num_retries: 2 };
export const circuitBreakers = { thresholds: [{ max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 }] };
export const envoyAccessLog = [{ name: 'envoy.access_loggers.file', typed_config: { '@type': `${extensions}.access_loggers.file.v3.FileAccessLog`, path: '/dev/null', log_format: { text_format_source: { inline_string: logFormat } } } }];
/** Authorization, fault, CORS. */
export const envoyFilters = [
  { name: 'envoy.filters.http.rbac', typed_config: { '@type': `${filters}.rbac.v3.RBAC`, rules: { action: 'ALLOW', policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } } } },
  { name: 'envoy.filters.http.fault', typed_config: { '@type': `${filters}.fault.v3.HTTPFault` } },
  { name: 'envoy.filters.http.cors', typed_config: { '@type': `${filters}.cors.v3.Cors` } },
  { name: 'envoy.filters.http.router', typed_config: { '@type': `${filters}.router.v3.Router` } },
];

/** What a mesh asks of Envoy: authorization, fault and CORS filters, a header route, retries, a timeout, a text access log, statistics. */
export function envoyConfiguration(site: Site): string {
  const { port, scenario } = site;
  return JSON.stringify({
    static_resources: {
      listeners: [{ name: 'mesh', address: socket(port), filter_chains: [{ ...downstreamTls(site), filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager(site) }] }] }],
      clusters: [cluster(site, 'backend'), ...(scenario === 'routes' ? [cluster(site, 'mirror')] : [])],
    },
    layered_runtime: { layers: [{ name: 'static', static_layer: { 'overload.global_downstream_max_connections': 50_000 } }] },
  });
}

function manager({ scenario }: Site): object {
  return {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'mesh',
    ...(scenario === 'grpc' ? { codec_type: 'HTTP2', http2_protocol_options: { max_concurrent_streams: 1000 } } : {}),
    use_remote_address: true,
    access_log: envoyAccessLog,
    route_config: { name: 'routes', virtual_hosts: scenario === 'routes' ? manyHosts() : [{ name: 'all', domains: ['*'], routes: [headerRoute, lastRoute] }] },
    http_filters: envoyFilters,
  };
}

const headerRoute = { name: 'jason', match: { prefix: '/', headers: [{ name: 'end-user', string_match: { exact: 'jason' } }] }, route: { cluster: 'backend' } };
const lastRoute = { name: 'all', match: { prefix: '/' }, route: { cluster: 'backend', timeout: '15s', retry_policy: envoyRetries } };

function manyHosts(): readonly object[] {
  const mirrored = { request_mirror_policies: [{ cluster: 'mirror', runtime_fraction: { default_value: { numerator: 1, denominator: 'HUNDRED' } } }] };
  const policy = { cluster: 'backend', timeout: '15s', retry_policy: { ...envoyRetries, per_try_timeout: '5s' }, ...mirrored };
  return routeHosts.map((host) => ({ name: host, domains: [host], routes: routePrefixes.map((prefix) => ({ name: `${host}${prefix}`, match: { path_separated_prefix: prefix }, route: policy })) }));
}

function downstreamTls({ scenario, certificates: { pair } }: Site): object {
  if (scenario !== 'tls' && scenario !== 'terminate') return {};
  return { transport_socket: { name: 'tls', typed_config: { '@type': `${extensions}.transport_sockets.tls.v3.DownstreamTlsContext`, common_tls_context: { ...onlyTls13, ...shown(pair) } } } };
}

function cluster({ scenario, backends, certificates }: Site, name: string): object {
  const to = scenario === 'tls' ? backends.tls : scenario === 'grpc' ? (backends.grpc ?? 0) : backends.http;
  const tls = { '@type': `${extensions}.transport_sockets.tls.v3.UpstreamTlsContext`, sni: 'localhost', common_tls_context: { ...onlyTls13, ...shown(certificates.pair), validation_context: { trusted_ca: { filename: certificates.authorityFile } } } };
  const http2 = { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': `${extensions}.upstreams.http.v3.HttpProtocolOptions`, explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 1000 } } } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: circuitBreakers,
    ...(scenario === 'tls' ? { transport_socket: { name: 'tls', typed_config: tls } } : {}),
    ...(scenario === 'grpc' ? { typed_extension_protocol_options: http2 } : {}),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(to) } }] }] },
  };
}

const onlyTls13 = { tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' } };

function shown({ chainFile, keyFile }: Site['certificates']['pair']): object {
  return { tls_certificates: [{ certificate_chain: { filename: chainFile }, private_key: { filename: keyFile } }] };
}

function socket(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
