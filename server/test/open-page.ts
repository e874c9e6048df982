import type { BrowserContext, Page } from 'playwright-core';

/** A page, and everything that it should not have done: errors, and what its policy had to stop. */
export interface OpenedPage {
  page: Page;
  complaints: string[];
}

/** Opens an address in a tab of its own. */
export async function openPage(context: BrowserContext, address: string): Promise<OpenedPage> {
  const complaints: string[] = [];
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // A browser writes a line for each status of 4xx; those are answers that the page shows.
    if (message.type() === 'error' && !message.text().includes('status of')) complaints.push(message.text());
  });
  // What runs inside the page is given as text: this side knows no types of browsers.
  await page.addInitScript(
    `addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))`,
  );
  await page.goto(address);
  return { page, complaints };
}
