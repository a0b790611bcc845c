import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** Where screenshots are kept; none are taken without it. */
const FOLDER = process.env['VEZA_SCREENSHOTS'];

/** Both schemes and both layouts; colours do not depend on the layout. */
const VIEWS = [
  { colorScheme: 'light', width: 1280, height: 800 },
  { colorScheme: 'dark', width: 390, height: 844 },
] as const;

/**
 * Looks at a screen in light and wide, in dark and narrow: with axe, and, when VEZA_SCREENSHOTS names a folder, for people.
 *
 * @returns what axe found, one line each
 */
export async function look(page: Page, name: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { colorScheme, width, height } of VIEWS) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours are those of the new scheme once a frame has been drawn with it.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    if (FOLDER !== undefined) {
      await mkdir(FOLDER, { recursive: true });
      await page.screenshot({ path: join(FOLDER, `${name}-${colorScheme}-${width}.png`) });
    }
    // All of it at once: what is scrolled to below the player is not hidden by it.
    const whole = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.max(height, whole) });
    const { violations } = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
      .analyze();
    for (const { id, nodes } of violations) {
      for (const { html, failureSummary } of nodes) {
        found.push(`${name} (${colorScheme}, ${width}): ${id}: ${html} ${failureSummary ?? ''}`);
      }
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) found.push(`${name} (${colorScheme}, ${width}): wider than the window by ${overflow} px`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
  return found;
}
