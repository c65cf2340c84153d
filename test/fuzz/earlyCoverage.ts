import { startCounting } from './coverage.ts'

// Imported before all that is to be counted.
startCounting()
