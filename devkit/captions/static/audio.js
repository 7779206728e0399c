// Where the sound of a call comes from: the microphone, or the sample.

const WANTED_HZ = 16000;
const LISTEN = {
  channelCount: 1,
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: true,
};

const SAID = {
  NotAllowedError:
    "The browser may not use the microphone. Allow it for this page (the " +
    "sign at the left of the address), then start again.",
  NotFoundError: "There is no microphone. Connect one, then start again.",
  NotReadableError:
    "The microphone cannot be read: another program may be using it.",
  insecure:
    "The browser gives a microphone only to pages of this machine. Open the " +
    "address with 127.0.0.1 that was printed.",
};
const OTHERWISE = "Without one, play the sample.";

// Ends a call before it begins; the text is for people.
export class NoSound extends Error {}

function noMicrophone(error) {
  const said = SAID[error.name] ?? `No microphone: ${error.message}.`;
  return new NoSound(`${said} ${OTHERWISE}`);
}

// `heard(pcm, peak)` gets an ArrayBuffer of 16-bit samples at `rate` Hz each
// 20 ms; `ended()` is called when there will be no more.
export class Sound {
  static async ofMicrophone(heard, ended) {
    if (!window.isSecureContext || !navigator.mediaDevices) {
      throw new NoSound(`${SAID.insecure} ${OTHERWISE}`);
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: LISTEN });
    } catch (error) {
      throw noMicrophone(error);
    }
    stream.getAudioTracks()[0].addEventListener("ended", ended);
    const sound = new Sound();
    sound.stream = stream;
    try {
      await sound.listenTo(stream, heard);
    } catch (error) {
      sound.close();
      throw error;
    }
    return sound;
  }

  static async ofFile(place, heard, ended) {
    const sound = new Sound();
    const context = new AudioContext({ sampleRate: WANTED_HZ });
    await sound.listen(context, heard);
    const answer = await fetch(place);
    const source = context.createBufferSource();
    try {
      if (!answer.ok) throw new Error(answer.statusText);
      const bytes = await answer.arrayBuffer();
      source.buffer = await context.decodeAudioData(bytes);
    } catch (error) {
      sound.close();
      throw new NoSound(`The sample cannot be played: ${error.message}.`);
    }
    source.addEventListener("ended", ended);
    source.connect(sound.node);
    source.connect(context.destination);
    sound.source = source;
    return sound;
  }

  async listenTo(stream, heard) {
    let context = new AudioContext({ sampleRate: WANTED_HZ });
    try {
      context.createMediaStreamSource(stream);
    } catch {
      // Not every browser resamples a microphone; the extension does.
      await context.close();
      context = new AudioContext();
    }
    await this.listen(context, heard);
    context.createMediaStreamSource(stream).connect(this.node);
    // The first words come before there is a call to say them in.
    this.mute(false);
  }

  async listen(context, heard) {
    this.context = context;
    this.rate = context.sampleRate;
    await context.audioWorklet.addModule("worklet.js");
    this.node = new AudioWorkletNode(context, "pcm", {
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.node.port.onmessage = ({ data }) => heard(data.pcm, data.peak);
    // What is not on the way to an output is not run; it is silent itself.
    this.node.connect(context.destination);
    await context.resume();
  }

  // Sound flows from here on; a microphone's does already.
  begin() {
    this.mute(false);
    this.source?.start();
  }

  mute(muted) {
    this.node.port.postMessage({ muted });
  }

  close() {
    this.node?.port.postMessage({ open: false, muted: true });
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
