import { describe, expect, it } from '@jest/globals';
import { Progress } from '../../demo/progress.ts';

class Screen {
  readonly columns = 30;
  readonly isTTY: boolean;
  text = '';

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

describe('Progress', () => {
  it('is a line per sentence where nobody can watch a line change', () => {
    const screen = new Screen(false);
    let now = 500;
    const progress = new Progress(screen, () => now);
    progress.say('one');
    progress.say('one');
    now = 2_000;
    progress.zero();
    now = 14_300;
    progress.say('two');
    progress.end();
    expect(screen.text).toBe('  0.0 s  one\n 12.3 s  two\n');
  });

  it('is one line on a terminal, cut where it would wrap, and gone at the end', () => {
    const screen = new Screen(true);
    const progress = new Progress(screen, () => 0);
    progress.say('a sentence that is much longer than the terminal');
    progress.end();
    const lines = screen.text.split('\r\u001b[2K');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toHaveLength(29);
    expect(screen.text).not.toContain('\n');
    expect(screen.text.endsWith('\r\u001b[2K')).toBe(true);
  });
});
