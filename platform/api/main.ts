import { runService } from '../kit/service.ts';
import { replayErasures } from './people-replay.ts';
import { api } from './service.ts';

if (process.argv[2] === 'erasures-replay') {
  const { entries, erasedAgain } = await replayErasures(process.env, process.stdin);
  process.stdout.write(`${JSON.stringify({ entries, erasedAgain })}\n`);
} else {
  await runService(api);
}
