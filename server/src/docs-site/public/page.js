import { copyPanel, find } from './elements.js';
import { currentKeys, masked, onKeysChanged } from './keys.js';
import { startNavigation } from './navigation.js';
import { openKeys, openOperation } from './request-form.js';

startNavigation();
// What needs a script had its place already, so that nothing moves when it appears.
document.documentElement.classList.add('scripted');

// The address under which this page was reached is the one whose commands work.
for (const place of document.querySelectorAll('[data-base-url]')) place.textContent = location.origin;

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('button') : null;
  if (button === null) return;
  if (button.dataset.copy !== undefined) copyPanel(button);
  else if (button.dataset.try !== undefined) openOperation(button.dataset.try);
  else if (button.dataset.keys !== undefined) openKeys();
});

onKeysChanged(() => {
  const keys = currentKeys();
  const button = find(document, '[data-keys]', HTMLElement);
  button.toggleAttribute('data-set', keys !== undefined);
  find(button, '[data-keys-label]', HTMLElement).textContent = keys === undefined ? 'Enter keys' : masked(keys.key);
});
