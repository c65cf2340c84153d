import { hold } from '../../src/db/hold.ts'

/** Bundled, with a path as its argument: says that it is there, tries once for each line that it reads, and says whether it holds it. Ends with its input. */
process.stdout.write('ready\n')
process.stdin.on('data', () => {
  try {
    hold(process.argv[2] ?? '')
    process.stdout.write('held\n')
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.name : ''}\n`)
  }
})
