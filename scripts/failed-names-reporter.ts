import type { Reporter, TestModule } from 'vitest/node';

/**
 * Names what failed, a line each, before Vitest tells about each at length: a log that was cut off still says what failed. A
 * file that could not be loaded is named as a whole.
 */
export default class FailedNamesReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = modules.flatMap((module) => {
      const failed = [...module.children.allTests('failed')].map(
        (test) => `${module.relativeModuleId} > ${test.fullName}`,
      );
      return failed.length === 0 && module.state() === 'failed' ? [module.relativeModuleId] : failed;
    });
    if (names.length > 0) console.log(['', `Failed Tests, ${names.length} by name:`, ...names].join('\n'));
  }
}
