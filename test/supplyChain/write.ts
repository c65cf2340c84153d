// Writes the table of packages in docs/operate/supply-chain.md anew, after an update of them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../helpers/bundle.ts'
import { bill, provenance } from '../helpers/packages.ts'

const page = join(root, 'docs/operate/supply-chain.md')
const head = '| package | licence | source |\n| --- | --- | --- |\n'
const text = readFileSync(page, 'utf8')
writeFileSync(page, `${text.slice(0, text.indexOf(head))}${head}${provenance(await bill()).join('\n')}\n`)
