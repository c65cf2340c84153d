// npm run bench:scep: enrolments and polls by SCEP a CPU second of the server, beside the public-key operations that they cannot do without. See docs/performance.md.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../helpers/bundle.ts'
import { measureScep, scepTable } from './scepRounds.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of each case in each round. */
    answers: { type: 'string', default: '400' },
    clients: { type: 'string', default: '16' },
    entry: { type: 'string', default: join(root, 'dist/main.js') },
    postgres: { type: 'boolean', default: false },
    /** Writes a CPU profile of the server to this folder. */
    profile: { type: 'string' },
    /** A part of the case's name. */
    only: { type: 'string', default: '' },
  },
})

const { entry, postgres, profile, only } = flags
const [rounds, answers, clients] = [Number(flags.rounds), Number(flags.answers), Number(flags.clients)]
const size = { rounds, answers, clients }
const lines = await measureScep({ ...size, entry, postgres, only, ...(profile === undefined ? {} : { profile }) })
process.stdout.write(scepTable(lines))
