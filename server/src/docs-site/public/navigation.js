import { find } from './elements.js';

const navigation = find(document, '#navigation', HTMLElement);
const search = find(navigation, '#search', HTMLInputElement);
const empty = find(navigation, '.nav-empty', HTMLElement);
const menu = find(document, '.menu', HTMLButtonElement);
const entries = [...navigation.querySelectorAll('li')];

/** Search, the menu of small screens, and the mark of where the reader is. */
export function startNavigation() {
  search.addEventListener('input', filter);
  search.addEventListener('keydown', searchKeys);
  document.addEventListener('keydown', pageKeys);
  menu.addEventListener('click', () => showMenu(menu.getAttribute('aria-expanded') !== 'true'));
  navigation.addEventListener('click', (event) => {
    if (event.target instanceof Element && event.target.closest('a') !== null) showMenu(false);
  });
  followReader();
}

function filter() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  for (const entry of entries) {
    const has = entry.dataset.words ?? '';
    entry.hidden = !words.every((word) => has.includes(word));
  }
  for (const section of navigation.querySelectorAll('section')) {
    const isOnlyFound = section.hasAttribute('data-search-only');
    const shows = section.querySelector('li:not([hidden])') !== null;
    section.hidden = !shows || (isOnlyFound && words.length === 0);
  }
  const found = visibleLinks().length;
  empty.hidden = found > 0;
  empty.textContent = found > 0 ? '' : `Nothing here matches “${search.value.trim()}”.`;
}

/** @param {KeyboardEvent} event */
function searchKeys(event) {
  const [first] = visibleLinks();
  if (event.key === 'Enter') first?.click();
  else if (event.key === 'ArrowDown') first?.focus();
  else if (event.key === 'Escape' && search.value !== '') {
    search.value = '';
    filter();
  } else return;
  event.preventDefault();
}

/** @param {KeyboardEvent} event */
function pageKeys(event) {
  if (event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
  if (event.key === 'Escape' && menu.getAttribute('aria-expanded') === 'true') {
    showMenu(false);
    menu.focus();
  }
  const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
  if (event.key === '/' && !isTyping && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    showMenu(true);
    search.focus();
    search.select();
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && navigation.contains(document.activeElement)) {
    moveFocus(event);
  }
}

/** @param {KeyboardEvent} event */
function moveFocus(event) {
  const links = visibleLinks();
  const at = links.findIndex((link) => link.matches(':focus'));
  if (at === -1) return;
  event.preventDefault();
  const next = at + (event.key === 'ArrowDown' ? 1 : -1);
  (next < 0 ? search : links[next])?.focus();
}

function visibleLinks() {
  return [...navigation.querySelectorAll('a')].filter((link) => link.closest('[hidden]') === null);
}

/** @param {boolean} open */
function showMenu(open) {
  menu.setAttribute('aria-expanded', String(open));
  document.body.toggleAttribute('data-menu-open', open);
}

/** Marks the entry of the section that is at the top of the screen. */
function followReader() {
  /** @type {Map<Element, HTMLAnchorElement>} */
  const linkOf = new Map();
  for (const link of navigation.querySelectorAll('section:not([data-search-only]) a')) {
    const target = document.getElementById(decodeURIComponent(link.getAttribute('href')?.slice(1) ?? ''));
    if (target !== null && link instanceof HTMLAnchorElement) linkOf.set(target, link);
  }
  /** @type {HTMLAnchorElement | undefined} */
  let marked;
  const observer = new IntersectionObserver(
    (changes) => {
      for (const { isIntersecting, target } of changes) {
        const link = linkOf.get(target);
        if (!isIntersecting || link === undefined || link === marked) continue;
        marked?.removeAttribute('aria-current');
        link.setAttribute('aria-current', 'location');
        marked = link;
        keepInView(link);
      }
    },
    // A band of one pixel under the bar: exactly one section crosses it.
    { rootMargin: '-96px 0px -85% 0px' },
  );
  for (const target of linkOf.keys()) observer.observe(target);
}

/** Scrolls the list only: `scrollIntoView` would move the page under the reader. @param {HTMLElement} link */
function keepInView(link) {
  const list = find(navigation, '.nav-groups', HTMLElement);
  const top = link.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 40) {
    list.scrollTo({ top: top - list.clientHeight / 3 });
  }
}
