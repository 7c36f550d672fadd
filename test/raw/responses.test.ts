import './raw.ts';
import '../strict/responses.test.ts';
