/** Who may import whom (ARCHITECTURE.md). What is not drawn there is an error here. */
const door = '/index\\.ts$';
const capabilities =
  '^server/src/(accounts|actions|admin|dashboard|partners|pools|request-log|transactions|users|webhooks)/';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.test\\.ts$', '\\.d\\.ts$', 'vitest\\.config', '/public/'] },
      to: {},
    },
    {
      name: 'capabilities-through-their-door',
      comment:
        'A capability is used through its index.ts; record-events is the one file of webhooks that writers import.',
      severity: 'error',
      from: { path: '^server/src/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: { path: capabilities, pathNot: [door, '^server/src/$1/', '^server/src/webhooks/record-events\\.ts$'] },
    },
    {
      name: 'platform-knows-no-domain',
      severity: 'error',
      from: { path: '^server/src/platform/', pathNot: '\\.test\\.ts$' },
      to: { path: '^server/src/', pathNot: '^server/src/platform/' },
    },
    {
      name: 'ledger-stands-on-platform',
      severity: 'error',
      from: { path: '^server/src/ledger/', pathNot: '\\.test\\.ts$' },
      to: { path: '^server/src/', pathNot: '^server/src/(ledger|platform|rewards)/' },
    },
    {
      name: 'rewards-are-pure',
      comment: 'No I/O, no clock, no database: rewards/ gets values and gives values.',
      severity: 'error',
      from: { path: '^server/src/rewards/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^server/src/rewards/', '^packages/contract/'] },
    },
    {
      name: 'who-uses-whom-among-capabilities',
      severity: 'error',
      from: { path: '^server/src/(accounts|partners|pools|transactions|users|webhooks)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^server/src/(actions|admin|dashboard|request-log|transactions)/', pathNot: '^server/src/$1/' },
    },
    {
      name: 'nothing-imports-the-server',
      severity: 'error',
      from: { pathNot: '^(server|bench)/' },
      to: { path: '^server/' },
    },
    {
      name: 'signature-depends-on-nothing',
      severity: 'error',
      from: { path: '^packages/signature/src/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^packages/signature/', '^node:', '^crypto$', '^buffer$'] },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '(^|/)dist/' },
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
  },
};
