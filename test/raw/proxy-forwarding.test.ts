import './raw.ts';
import '../component/proxy-forwarding.test.ts';
