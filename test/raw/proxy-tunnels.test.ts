import './raw.ts';
import '../component/proxy-tunnels.test.ts';
