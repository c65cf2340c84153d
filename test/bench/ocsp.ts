// npm run bench:ocsp: OCSP answers a CPU second of the server, beside bare answers of node:http and Hono and `openssl ocsp`. See docs/performance.md.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { measureOcsp } from './ocspCases.ts'
import { ocspAims, ocspTable } from './ocspReport.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    answers: { type: 'string', default: '20000' },
    clients: { type: 'string', default: '32' },
    large: { type: 'string', default: '1000000' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    postgres: { type: 'boolean', default: false },
    profile: { type: 'string' },
    only: { type: 'string' },
  },
})

const figures = await measureOcsp({
  rounds: Number(flags.rounds),
  answers: Number(flags.answers),
  clients: Number(flags.clients),
  large: Number(flags.large),
  entry: flags.entry,
  postgres: flags.postgres,
  profile: flags.profile,
  only: flags.only === undefined ? undefined : new RegExp(flags.only),
})
process.stdout.write(`${ocspTable(figures)}\n${ocspAims(figures)}`)
