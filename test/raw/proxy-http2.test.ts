import './raw.ts';
import '../component/proxy-http2.test.ts';
