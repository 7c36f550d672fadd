import { circuitBreakers, envoyAccessLog, envoyFilters, envoyRetries, extensions } from '../../../bench/targets/envoy.ts';
import type { Place } from '../attacks/sockets.ts';
import { bystander, targets, victim, victimPaths, waits } from './places.ts';
import type { PeerSite } from './types.ts';

/** Of a connection, in each direction: what Envoy's documentation says for the edge. */
const buffers = { per_connection_buffer_limit_bytes: 32_768 };
const seconds = (count: number): string => `${count}s`;

/**
 * As the benchmark has it for a mesh, with the waits of this test, buffers and number of streams as Envoy's documentation has them for the edge,
 * windows and the size of heads as Weft has them, and one request of a connection in a turn of the loop (`max_requests_per_io_cycle`), which is
 * what Envoy has against connections that send many at once, and is off by default.
 */
export function envoyConfiguration(site: PeerSite): string {
  return JSON.stringify({
    static_resources: {
      listeners: [listener('http', targets.http, {}), listener('https', targets.https, tls(site)), datagrams()],
      clusters: [cluster('bystander', bystander, circuitBreakers), cluster('victim', victim, circuitBreakers), cluster('datagrams', victim, { thresholds: [{ max_connections: 10_000 }] })],
    },
    layered_runtime: { layers: [{ name: 'static', static_layer: { 'overload.global_downstream_max_connections': 50_000, 'http.max_requests_per_io_cycle': 1 } }] },
  });
}

function listener(name: string, place: Place, transport: object): object {
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager(name) }];
  return { name, address: socket(place), tcp_backlog_size: 4096, ...buffers, filter_chains: [{ transport_socket_connect_timeout: '10s', ...transport, filters }] };
}

function manager(name: string): object {
  const { requestHeaders, idle, streamIdle } = waits;
  const route = (to: string): object => ({ cluster: to, timeout: '0s', retry_policy: envoyRetries });
  const routes = [...victimPaths.map((prefix) => ({ name: prefix, match: { prefix }, route: route('victim') })), { name: 'all', match: { prefix: '/' }, route: route('bystander') }];
  return {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    use_remote_address: true,
    request_headers_timeout: seconds(requestHeaders),
    stream_idle_timeout: seconds(streamIdle),
    common_http_protocol_options: { idle_timeout: seconds(idle), max_headers_count: 128 },
    max_request_headers_kb: 64,
    http2_protocol_options: { max_concurrent_streams: 100, initial_stream_window_size: 262_144, initial_connection_window_size: 4_194_304 },
    access_log: envoyAccessLog,
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: envoyFilters,
  };
}

function tls({ chainFile, keyFile }: PeerSite): object {
  const common = {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    alpn_protocols: ['h2', 'http/1.1'],
    tls_certificates: [{ certificate_chain: { filename: chainFile }, private_key: { filename: keyFile } }],
  };
  return { transport_socket: { name: 'tls', typed_config: { '@type': `${extensions}.transport_sockets.tls.v3.DownstreamTlsContext`, common_tls_context: common } } };
}

function datagrams(): object {
  const kind = `${extensions}.filters.udp.udp_proxy.v3`;
  const matcher = { on_no_match: { action: { name: 'route', typed_config: { '@type': `${kind}.Route`, cluster: 'datagrams' } } } };
  const proxy = { '@type': `${kind}.UdpProxyConfig`, stat_prefix: 'udp', idle_timeout: '60s', matcher };
  return { name: 'udp', address: socket(targets.udp, 'UDP'), listener_filters: [{ name: 'envoy.filters.udp_listener.udp_proxy', typed_config: proxy }] };
}

function cluster(name: string, to: Place, breakers: object): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(to) } }] }];
  return { name, type: 'STATIC', connect_timeout: '5s', lb_policy: 'LEAST_REQUEST', circuit_breakers: breakers, ...buffers, load_assignment: { cluster_name: name, endpoints } };
}

function socket({ address, port }: Place, protocol = 'TCP'): object {
  return { socket_address: { protocol, address, port_value: port } };
}
