import { runService } from '../kit/service.ts';
import { chat } from './service.ts';

await runService(chat);
