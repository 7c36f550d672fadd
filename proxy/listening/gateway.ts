import type { Sections } from '../configuration/sections.ts';
import type { RequestSettings } from '../configuration/tables.ts';
import type { Client } from '../connection/sides.ts';
import type { Context } from '../context.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { emptyReply } from '../exchange/replies.ts';
import { timeoutDefaults, type TimeoutSettings } from '../retry/index.ts';
import type { Binding } from './binding.ts';

/** A gateway's listener: the request's host chooses the section, the section the route table. */
export class GatewayBinding implements Binding {
  readonly role = 'edge';
  readonly scheme: 'http' | 'https';
  readonly unrouted: RequestSettings;
  port = 0;
  closing = false;
  sections: Sections;
  readonly clients = new Set<Client>();
  readonly #context: Context;

  constructor(context: Context, sections: Sections, unrouted: RequestSettings) {
    this.#context = context;
    this.sections = sections;
    this.scheme = sections.secure ? 'https' : 'http';
    this.unrouted = unrouted;
  }

  get trustedHops(): number {
    return this.sections.listener.trustedHops ?? 0;
  }

  initialTimeouts(client: Client): TimeoutSettings {
    const section = client.serverName === '' ? this.sections.initial : this.sections.find(client.serverName);
    return section?.timeouts ?? timeoutDefaults;
  }

  begin(exchange: Exchange): void {
    const head = this.#context.requestHead;
    if (head.form === 'authority') {
      exchange.fail('connect-refused-method', 'connect');
      return;
    }
    if (head.hostDisagrees) {
      exchange.keepAlive = false;
      exchange.fail('bad-request', 'host-disagrees');
      return;
    }
    const section = this.sections.find(head.authority.host);
    // Gateway API, ListenerSpec.hostname: what another listener of the port matches is misdirected, what none matches is not found.
    if (section === undefined) {
      exchange.fail('no-listener', undefined);
      return;
    }
    if (this.scheme === 'https' && section !== this.sections.find(exchange.downstream.client.serverName)) {
      exchange.fail('misdirected-request', undefined);
      return;
    }
    exchange.downstream.client.adopt(section.timeouts);
    if (head.serverWide) {
      exchange.answer(emptyReply);
      return;
    }
    const table = this.#context.tables.get(section.section.routes);
    if (table === undefined) exchange.fail('config-missing', section.section.routes);
    else exchange.route(table);
  }

  replaced(before: Client, after: Client): void {
    this.clients.delete(before);
    this.clients.add(after);
  }

  closed(client: Client): void {
    this.clients.delete(client);
    this.#context.metrics.move('client_connections_active', -1);
  }
}
