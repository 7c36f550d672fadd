import './raw.ts';
import '../component/proxy-websocket-http2.test.ts';
