// Sound to 16-bit samples, in messages of 20 ms, with their peak.
class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.open = true;
    this.muted = true;
    this.size = Math.round(sampleRate / 50);
    this.begin();
    this.port.onmessage = ({ data }) => Object.assign(this, data);
  }

  begin() {
    this.samples = new Int16Array(this.size);
    this.filled = 0;
    this.peak = 0;
  }

  process(inputs) {
    const sound = inputs[0][0];
    // Where nothing plays there is no channel: that is silence.
    for (let i = 0; i < (sound ? sound.length : 128); i += 1) {
      const value = sound ? Math.max(-1, Math.min(1, sound[i])) : 0;
      this.peak = Math.max(this.peak, Math.abs(value));
      this.samples[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === this.size) {
        if (!this.muted) {
          const pcm = this.samples.buffer;
          this.port.postMessage({ pcm, peak: this.peak }, [pcm]);
        }
        this.begin();
      }
    }
    return this.open;
  }
}

registerProcessor("pcm", Pcm);
