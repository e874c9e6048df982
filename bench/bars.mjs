import { LIMIT_CLIENTS, PEER_POOL_SIZES } from './yardsticks.mjs';

/**
 * @typedef {import('./rounds.mjs').Figures} Figures
 *
 * @typedef {object} Comparison our figure against the best of a yardstick's
 * @property {string} title
 * @property {string} ours name of our side
 * @property {string} against
 * @property {string[]} sides names of the yardstick's sides; the best median counts
 * @property {number} bar the ratio must be at least this
 * @property {number} aim
 */

/** @param {string} shape */
const peers = (shape) => PEER_POOL_SIZES.map((size) => `peer ${shape} ${size}`);
/** @param {string} shape @param {number} items */
const limits = (shape, items) => LIMIT_CLIENTS.map((clients) => `limit ${shape} ${items} ${clients}`);

const S1 = 'S1 submit, one pool, 64 connections';
const S2 = 'S2 batch of 500, one pool, 4 connections';
const S3 = 'S3 submit, 200 partners, 64 connections';

/** @type {Comparison[]} */
export const COMPARISONS = [
  { title: S1, ours: 's1', against: 'peer, one pool', sides: peers('hot'), bar: 1.5, aim: 2.5 },
  { title: S1, ours: 's1', against: 'limit, one pool, 64 a call', sides: limits('hot', 64), bar: 0.3, aim: 0.5 },
  {
    title: S1,
    ours: 's1',
    against: 'itself without log and dashboard',
    sides: ['s1 without log and dashboard'],
    bar: 0.9,
    aim: 1,
  },
  { title: S2, ours: 's2', against: 'limit, one pool, 256 a call', sides: limits('hot', 256), bar: 0.4, aim: 0.7 },
  { title: S3, ours: 's3', against: 'peer, 200 partners', sides: peers('spread'), bar: 0.8, aim: 1.3 },
  {
    title: S3,
    ours: 's3',
    against: 'limit, 200 partners, 64 a call',
    sides: limits('spread', 64),
    bar: 0.25,
    aim: 0.4,
  },
];

/** S9 stands against nothing: milliseconds, at most. */
export const START = { title: 'S9 npm start → first 200', barMilliseconds: 5_000, aimMilliseconds: 2_000 };

/**
 * The side with the best median. Undefined: none of them was measured.
 * @param {ReadonlyMap<string, Figures>} figures @param {readonly string[]} sides
 */
export function bestOf(figures, sides) {
  const measured = sides.flatMap((name) => {
    const found = figures.get(name);
    return found === undefined ? [] : [{ name, figures: found }];
  });
  return measured.sort((a, b) => b.figures.median - a.figures.median)[0];
}
