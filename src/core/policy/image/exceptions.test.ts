import { expect, it } from 'vitest';
import { exceptionMistakes, type ImageException } from './exceptions.ts';

const NOW = Date.parse('2027-03-01T12:00:00Z');
const good: ImageException = {
  rule: 'licence',
  service: null,
  where: '/app/node_modules/x*',
  reason: 'Our lawyers have looked at it.',
  by: 'Ada',
  until: '2027-06-30',
};

it('an exception that says what, why, who and until when is taken', () => {
  expect(exceptionMistakes([good], NOW)).toEqual([]);
});

it.each<[string, Partial<ImageException>]>([
  ['where', { where: '*' }],
  ['where', { where: '/*' }],
  ['reason', { reason: 'because' }],
  ['by', { by: ' ' }],
  ['until', { until: 'never' }],
  ['until', { until: '2027-02-30' }],
  ['until', { until: '2099-01-01' }],
  ['rule', { rule: 'exception-expired' }],
])('its %s is needed: %j', (field, wrong) => {
  expect(exceptionMistakes([{ ...good, ...wrong }], NOW)).toEqual([expect.stringContaining(`exceptions[0].${field}`)]);
});
