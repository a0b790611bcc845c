import { describe, expect, it } from 'vitest';
import { overridesMethod } from './method-override.ts';

describe('a request that asks to be taken for another', () => {
  it.each([
    [['x-http-method-override'], '/'],
    [['accept', 'x-http-method'], '/'],
    [['x-method-override'], '/'],
    [['x_http_method_override'], '/'],
    [['x-http_method-override'], '/'],
    [[], '/?_method=delete'],
    [[], '/x?a=1&_METHOD=PUT'],
    [[], '/x?a=1;_method=PUT'],
    [[], '/?%5fmethod%3dput'],
    [[], '/?%5F%6d%65%74%68%6F%64=put'],
  ])('is known by %j and %s', (names, target) => {
    expect(overridesMethod(names, target)).toBe(true);
  });

  it.each([
    [['x-http-methods', 'method', 'access-control-request-method', 'x-methodology'], '/'],
    [[], '/_method=delete'],
    [[], '/?a_method=delete'],
    [[], '/?q=_method'],
  ])('is not seen in %j and %s', (names, target) => {
    expect(overridesMethod(names, target)).toBe(false);
  });
});
