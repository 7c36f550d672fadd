import './raw.ts';
import '../strict/requests.test.ts';
